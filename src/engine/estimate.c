/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The switchover played through on a clock that starts at the request to pause. All sums saturate: what takes for
 * ever is UINT64_MAX, and so is all that waits for it.
 */
#include "engine/estimate.h"

#include "base/bits.h"
#include "base/clock.h"

#define UNKNOWN UINT64_MAX

/* The wire: what is sent takes its turn behind what was sent before; an idle line saves up for a burst. */
struct line {
	uint64_t bytes_per_s;
	uint64_t burst_ns;
	uint64_t free_ns; /* burst_ns later than it is, so that it is never before 0 */
};

/* What the devices are to the switchover together. They move in parallel: the slowest counts. */
struct devices {
	uint64_t ahead_ns;   /* until the last read of pre-copy is over */
	uint64_t stopped_ns; /* both barriers */
	uint64_t log_ns, leave_ns, p2p_ns, run_ns;
	uint64_t early_bytes, bytes; /* to be sent from now on, and once they have stopped */
	bool here_unknown, there_unknown, leave_unknown, size_unknown;
};

/* When things are over. */
struct course {
	uint64_t paused_ns, stopped_ns, drained_ns, synced_ns, arrived_ns, loaded_ns;
};

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t subtract(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* a * b / c */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 scaled = (unsigned __int128)a * b / c;

	return scaled < UINT64_MAX ? (uint64_t)scaled : UINT64_MAX;
}

/* Nothing takes no time, at any rate; something at no known rate takes for ever. */
static uint64_t transfer_ns(uint64_t bytes, uint64_t bytes_per_s)
{
	if (!bytes)
		return 0;
	return bytes_per_s ? scale(bytes, NS_PER_S, bytes_per_s) : UINT64_MAX;
}

static uint64_t known(uint64_t value)
{
	return value == UNKNOWN ? 0 : value;
}

/* At a rate that may not be known, beside others that bound it too. */
static uint64_t rated_ns(uint64_t bytes, uint64_t bytes_per_s)
{
	return bytes_per_s ? transfer_ns(bytes, bytes_per_s) : 0;
}

static struct line line_of(const struct sync_result *sync)
{
	struct line line = { .bytes_per_s = sync->bytes_per_s, .burst_ns = sync->burst_ns };

	if (sync->line_ns > 0)
		line.free_ns = add(sync->burst_ns, (uint64_t)sync->line_ns);
	else
		line.free_ns = subtract(sync->burst_ns, -(uint64_t)sync->line_ns);
	return line;
}

/* When bytes that are there at a time have gone through. */
static uint64_t send(struct line *line, uint64_t at_ns, uint64_t bytes)
{
	if (!bytes)
		return at_ns;
	line->free_ns = add(max_u64(line->free_ns, at_ns), transfer_ns(bytes, line->bytes_per_s));
	return line->free_ns == UINT64_MAX ? UINT64_MAX : max_u64(at_ns, subtract(line->free_ns, line->burst_ns));
}

/* The larger, of what is known. */
static void take_slower(uint64_t *slowest_ns, uint64_t ns, bool *unknown)
{
	if (ns == UNKNOWN)
		*unknown = true;
	else
		*slowest_ns = max_u64(*slowest_ns, ns);
}

static uint64_t handoffs_ns(const struct sync_result *sync, uint64_t nr)
{
	return scale(sync->handoff_ns, nr, 1);
}

static struct devices devices_of(const struct sync_result *sync)
{
	struct devices all = { 0 };
	uint64_t quiesce_ns = 0, stop_ns = 0;

	for (uint32_t i = 0; i < sync->nr_devices; i++) {
		const struct device_outlook *device = &sync->devices[i];

		take_slower(&quiesce_ns, device->quiesce_ns, &all.here_unknown);
		take_slower(&stop_ns, device->stop_ns, &all.here_unknown);
		take_slower(&all.leave_ns, device->leave_ns, &all.leave_unknown);
		take_slower(&all.p2p_ns, device->p2p_ns, &all.there_unknown);
		take_slower(&all.run_ns, device->run_ns, &all.there_unknown);
		all.log_ns = max_u64(all.log_ns, device->log_ns);
		all.ahead_ns = max_u64(all.ahead_ns, rated_ns(device->ahead_bytes, device->read_bytes_per_s));
		all.early_bytes = add(all.early_bytes, add(device->ahead_bytes, device->unsent_bytes));
		all.bytes = add(all.bytes, known(device->bytes));
		all.size_unknown |= device->bytes == UNKNOWN;
	}
	all.stopped_ns = add(quiesce_ns, stop_ns);
	if (sync->nr_devices)
		all.stopped_ns = add(all.stopped_ns, handoffs_ns(sync, 2)); /* a barrier each */
	return all;
}

/*
 * How long one device takes to have its state read, sent and loaded, buffer by buffer: the slowest of the three all
 * the way, the other two for one buffer.
 */
static uint64_t stream_ns(const struct device_outlook *device, uint64_t wire_bytes_per_s)
{
	const uint64_t rates[] = { device->read_bytes_per_s, wire_bytes_per_s, device->load_bytes_per_s };
	uint64_t bytes = known(device->bytes), one = min_u64(bytes, LIMIT_DEVICE_BUFFER_BYTES);
	uint64_t slowest_ns = 0, slowest_buffer_ns = 0, buffers_ns = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rates); i++) {
		uint64_t ns = rated_ns(bytes, rates[i]), buffer_ns = rated_ns(one, rates[i]);

		buffers_ns = add(buffers_ns, buffer_ns);
		if (ns < slowest_ns)
			continue;
		slowest_ns = ns;
		slowest_buffer_ns = buffer_ns;
	}
	return add(slowest_ns, subtract(buffers_ns, slowest_buffer_ns));
}

/* The devices' states from stopped_ns on, over a line that they share; sent_ns is when they have left. */
static void play_devices(const struct sync_result *sync, uint64_t sent_ns, struct course *c)
{
	for (uint32_t i = 0; i < sync->nr_devices; i++) {
		const struct device_outlook *device = &sync->devices[i];
		uint64_t load_rate = device->load_bytes_per_s, bytes = known(device->bytes);
		uint64_t all_bytes = add(add(device->unloaded_bytes, device->ahead_bytes), bytes);
		uint64_t last_ns = rated_ns(min_u64(bytes, LIMIT_DEVICE_BUFFER_BYTES), load_rate);
		uint64_t loaded_ns = add(c->stopped_ns, stream_ns(device, sync->bytes_per_s));

		loaded_ns = max_u64(loaded_ns, add(sent_ns, last_ns));
		loaded_ns = max_u64(loaded_ns, rated_ns(all_bytes, load_rate)); /* it has been loading all along */
		c->loaded_ns = max_u64(c->loaded_ns, add(loaded_ns, known(device->leave_ns)));
		/* What waits there in the window when the last byte comes is loaded after it. */
		all_bytes = min_u64(all_bytes, device->window_bytes);
		c->arrived_ns = max_u64(c->arrived_ns, subtract(loaded_ns, rated_ns(all_bytes, load_rate)));
	}
}

/*
 * RAM known dirty goes out while the devices stop, their states once they have, the RAM that only the last sync finds
 * after it, all over one line.
 */
static struct course play(const struct sync_result *sync, const struct devices *all)
{
	uint64_t still_running_ns = add(sync->took_ns, sync->pause_ns);
	uint64_t dirty_bytes = add(sync->dirty_bytes, scale(sync->dirty_bytes_per_s, still_running_ns, NS_PER_S));
	struct line line = line_of(sync);
	struct course c = { .paused_ns = add(sync->pause_ns, handoffs_ns(sync, 1)) };
	uint64_t sent_ns = send(&line, 0, all->early_bytes);

	c.stopped_ns = add(max_u64(c.paused_ns, all->ahead_ns), all->stopped_ns);
	c.drained_ns = max_u64(c.stopped_ns, send(&line, add(c.paused_ns, sync->vcpu_ns), dirty_bytes));
	c.synced_ns = add(c.drained_ns, all->log_ns);
	sent_ns = max_u64(sent_ns, send(&line, c.stopped_ns, all->bytes));
	c.arrived_ns = max_u64(max_u64(c.synced_ns, sent_ns), send(&line, c.synced_ns, sync->untracked_bytes));
	play_devices(sync, sent_ns, &c);
	c.loaded_ns = max_u64(c.loaded_ns, c.arrived_ns);
	return c;
}

static uint64_t resume_ns(const struct sync_result *sync, const struct devices *all)
{
	return add(add(sync->claim_ns, handoffs_ns(sync, sync->nr_devices ? 3 : 1)), add(all->p2p_ns, all->run_ns));
}

/*
 * With the messages, each a way there or back: END and READY, the VM's state and PREPARE, COMMIT and RUNNING.
 */
static uint64_t total_ns(const struct sync_result *sync, const struct devices *all, const struct course *c)
{
	uint64_t messages_ns = add(scale(known(sync->round_trip_ns), 3, 1), handoffs_ns(sync, 4));

	return add(c->loaded_ns, add(messages_ns, resume_ns(sync, all)));
}

/* Without all that rounds make smaller. With no rate, no RAM either: that is no reason to say that nothing helps. */
static uint64_t floor_ns(const struct sync_result *sync, const struct devices *all)
{
	struct sync_result rest = *sync;
	struct devices empty = *all;
	struct course c;

	rest.dirty_bytes = rest.dirty_bytes_per_s = 0;
	rest.untracked_bytes = sync->bytes_per_s ? sync->untracked_bytes : 0;
	rest.nr_devices = 0; /* their way stays in *all */
	empty.bytes = empty.early_bytes = empty.ahead_ns = 0;
	c = play(&rest, &empty);
	c.loaded_ns = max_u64(c.loaded_ns, add(c.stopped_ns, all->leave_ns));
	return total_ns(sync, all, &c);
}

static uint64_t between(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns == UINT64_MAX ? UINT64_MAX : subtract(to_ns, from_ns);
}

/* Cut where the report cuts the truth. */
static struct gw_downtime parts_of(const struct sync_result *sync, const struct devices *all, const struct course *c)
{
	uint64_t transfer_ns = add(between(c->stopped_ns, c->drained_ns), between(c->synced_ns, c->arrived_ns));
	struct gw_downtime parts = {
		.pause_ns = c->paused_ns,
		.quiesce_ns = all->here_unknown ? UNKNOWN : between(c->paused_ns, c->stopped_ns),
		.sync_ns = all->log_ns,
		.transfer_ns =
			all->size_unknown ? UNKNOWN : add(transfer_ns, add(sync->round_trip_ns, handoffs_ns(sync, 2))),
		.load_ns = all->leave_unknown ? UNKNOWN
					      : add(between(c->arrived_ns, c->loaded_ns),
						    add(sync->round_trip_ns, handoffs_ns(sync, 1))),
		.commit_ns = add(sync->round_trip_ns, handoffs_ns(sync, 1)),
		.resume_ns = all->there_unknown ? UNKNOWN : resume_ns(sync, all),
	};

	parts.total_ns = add(add(add(parts.pause_ns, parts.quiesce_ns), add(parts.sync_ns, parts.transfer_ns)),
			     add(add(parts.load_ns, parts.commit_ns), parts.resume_ns));
	return parts;
}

struct estimate estimate_make(const struct sync_result *sync)
{
	struct devices all = devices_of(sync);
	struct course course = play(sync, &all);
	struct estimate estimate = {
		.parts = parts_of(sync, &all, &course),
		.untracked_ns = sync->bytes_per_s ? transfer_ns(sync->untracked_bytes, sync->bytes_per_s) : 0,
		.transitions_ns = add(add(all.stopped_ns, all.leave_ns), add(all.p2p_ns, all.run_ns)),
		.sync_ns = all.log_ns,
		.floor_ns = floor_ns(sync, &all),
		.total_ns = total_ns(sync, &all, &course),
	};

	estimate.transfer_ns = between(estimate.floor_ns, estimate.total_ns);
	return estimate;
}

uint64_t estimate_floor_ns(const struct estimate *estimate)
{
	return estimate->floor_ns;
}
