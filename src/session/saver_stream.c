/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's state as a stream: read between the saver's jobs, kept in its tail, handed to the outbox, acknowledged.
 * The marks in it (all initial bytes sent, the last buffer) are set here.
 */
#include "session/saver.h"

#include "base/err.h"

#include <errno.h>
#include <xxhash.h>

#define NOTHING_NOW_NS (20 * NS_PER_MS) /* how long to leave a device alone that had nothing new in pre-copy */

static void parcel_returned(struct parcel *parcel, bool sent)
{
	struct saver *s = parcel->owner;

	tail_take_back(&s->tail, parcel, sent);
	if (sent)
		worker_kick(&s->worker); /* it may wait for that, see reads_ahead */
}

/*
 * Asks what pre-copy has left, and sees whether the device wants its initial bytes acknowledged anew (REINIT): the flag
 * stands until the next read, so it is a new wish only if something was read since the last one.
 */
int saver_look_at_precopy(struct saver *s, struct gw_precopy_info *info)
{
	int ret = gw_device_precopy_info(s->dev, info, NULL);

	if (ret || !(info->flags & GW_PRECOPY_REINIT) || s->rearm_seen_at == s->nr_reads + 1)
		return ret;
	s->rearm_seen_at = s->nr_reads + 1;
	pthread_mutex_lock(&s->lock);
	s->mark = 0;
	s->initial_pending = true;
	pthread_mutex_unlock(&s->lock);
	__atomic_fetch_add(&s->nr_rearmed, 1, __ATOMIC_RELAXED);
	return 0;
}

/*
 * How much is still to come: the larger of what pre-copy and stop-copy tell, since the two overlap and neither is
 * sure to include the other (some drivers move everything again in stop-copy).
 */
void saver_update_remaining(struct saver *s)
{
	struct gw_precopy_info info = { 0 };
	uint64_t stop = 0;
	bool known = !gw_device_stop_size(s->dev, &stop, NULL);

	if (s->stream == STREAM_PRECOPY && !saver_look_at_precopy(s, &info))
		known = true;
	__atomic_store_n(&s->remaining_bytes, max_u64(stop, info.initial_bytes + info.dirty_bytes), __ATOMIC_RELAXED);
	__atomic_store_n(&s->readable_bytes, info.initial_bytes + info.dirty_bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&s->sizes_known, known, __ATOMIC_RELAXED);
}

void saver_open_window(struct saver *s, uint64_t bytes)
{
	tail_open(&s->tail, bytes);
	worker_kick(&s->worker);
}

int saver_grant(struct saver *s, const struct message_grant *grant)
{
	__atomic_fetch_add(&s->load_bytes, grant->bytes, __ATOMIC_RELAXED);
	pthread_mutex_lock(&s->lock);
	tally_add(&s->loads, grant->bytes, grant->busy_ns);
	pthread_mutex_unlock(&s->lock);
	if (tail_acknowledge(&s->tail, grant->loaded))
		return -EPROTO;
	worker_kick(&s->worker);
	return 0;
}

void saver_initial_loaded(struct saver *s, uint64_t number)
{
	pthread_mutex_lock(&s->lock);
	if (s->mark && s->mark == number + 1)
		s->initial_pending = false;
	pthread_mutex_unlock(&s->lock);
}

bool saver_initial_pending(struct saver *s)
{
	bool pending;

	pthread_mutex_lock(&s->lock);
	pending = s->initial_pending;
	pthread_mutex_unlock(&s->lock);
	return pending;
}

int saver_rejoin(struct saver *s, const struct device_resumed *resumed)
{
	int ret = tail_rewind(&s->tail, resumed->next, resumed->loaded);

	if (resumed->initial_loaded)
		saver_initial_loaded(s, resumed->initial_loaded - 1);
	worker_kick(&s->worker);
	return ret;
}

bool saver_is_drained(struct saver *s)
{
	bool ended;

	pthread_mutex_lock(&s->lock);
	s->posted = false;
	ended = s->ended;
	pthread_mutex_unlock(&s->lock);
	return ended && !tail_has_waiting(&s->tail);
}

/* The session's thread looks at saver_is_drained; a note that it has not read yet does as well. */
static void tell_drained(struct saver *s)
{
	bool post;

	pthread_mutex_lock(&s->lock);
	post = s->ended && !s->posted;
	s->posted |= post;
	pthread_mutex_unlock(&s->lock);
	if (post)
		note_post(s->worker.mailbox, &s->saved);
}

/* Are all initial bytes in buffers up to this one, and was that not said yet? */
static bool initial_ends_here(struct saver *s)
{
	struct gw_precopy_info info = { .initial_bytes = 1 };
	bool due;

	if (s->stream != STREAM_PRECOPY || saver_look_at_precopy(s, &info) || info.initial_bytes)
		return false;
	pthread_mutex_lock(&s->lock);
	due = s->initial_pending && !s->mark;
	if (due)
		s->mark = s->number + 1;
	pthread_mutex_unlock(&s->lock);
	return due;
}

/* Hands what waits to the outbox. False: it has no channels, and whoever attaches it will kick. */
static bool push_waiting(struct saver *s)
{
	struct parcel *parcel;

	while ((parcel = tail_lend(&s->tail))) {
		if (outbox_push(s->outbox, parcel))
			continue;
		tail_take_back(&s->tail, parcel, false);
		return false;
	}
	return true;
}

static void send(struct saver *s, struct parcel *parcel, uint64_t bytes, uint32_t flags)
{
	uint64_t *counter = s->stream == STREAM_STOP_COPY ? &s->stop_copy_bytes : &s->precopy_bytes;

	if (s->stream == STREAM_STOP_COPY)
		flags |= DEVICE_BUFFER_STOP_COPY;
	parcel->returned = parcel_returned;
	parcel->owner = s;
	parcel->nr_bytes = (uint32_t)bytes;
	parcel->header = (struct device_buffer_header){
		.device = s->index,
		.flags = flags,
		.sent = s->precopy_bytes + s->stop_copy_bytes,
	};
	XXH3_64bits_update(s->digest, parcel->bytes, bytes);
	__atomic_fetch_add(counter, bytes, __ATOMIC_RELAXED);
	s->number++;
	tail_append(&s->tail, parcel);
	push_waiting(s);
}

static ssize_t read_state(struct saver *s, struct parcel *parcel, struct gw_error *e)
{
	uint64_t began_ns = clock_now_ns(&clock_monotonic);
	ssize_t n = gw_device_data_read(s->dev, parcel->bytes, LIMIT_DEVICE_BUFFER_BYTES, e);

	if (n <= 0)
		return n;
	s->nr_reads++;
	pthread_mutex_lock(&s->lock);
	tally_add(&s->reads, (uint64_t)n, clock_now_ns(&clock_monotonic) - began_ns);
	pthread_mutex_unlock(&s->lock);
	return n;
}

static uint64_t fail(struct saver *s, const struct gw_error *error)
{
	s->stream = STREAM_NONE;
	s->fault.error = *error;
	note_post(s->worker.mailbox, &s->fault);
	return DEADLINE_NEVER;
}

static void end_stream(struct saver *s, struct parcel *parcel)
{
	send(s, parcel, 0, DEVICE_BUFFER_LAST);
	s->stream = STREAM_NONE;
	pthread_mutex_lock(&s->lock);
	s->ended = true;
	pthread_mutex_unlock(&s->lock);
}

/* Nothing to read now: the mark may still be due, when the initial bytes ended with the last read. */
static uint64_t nothing_now(struct saver *s, struct parcel *parcel)
{
	if (initial_ends_here(s))
		send(s, parcel, 0, DEVICE_BUFFER_INITIAL_END);
	else
		tail_abandon(&s->tail, parcel);
	return clock_deadline_ns(&clock_monotonic, NOTHING_NOW_NS);
}

/* One buffer of device state into parcel. Returns when to come again. */
static uint64_t read_one(struct saver *s, struct parcel *parcel)
{
	struct gw_error error = GW_ERROR_NONE;
	ssize_t n = read_state(s, parcel, &error);

	if (n > 0) {
		send(s, parcel, (uint64_t)n, initial_ends_here(s) ? DEVICE_BUFFER_INITIAL_END : 0);
		return 0;
	}
	if (n == 0 && s->stream == STREAM_STOP_COPY) {
		end_stream(s, parcel);
		return 0;
	}
	if (n == 0 || n == -ENOMSG)
		return nothing_now(s, parcel);
	tail_abandon(&s->tail, parcel);
	return fail(s, &error);
}

/*
 * In pre-copy no more is read than keeps the wire busy: what waits to be sent grows stale, and would have to be sent in
 * the downtime all the same.
 */
static bool reads_ahead(struct saver *s)
{
	uint64_t unsent, unloaded;

	tail_count(&s->tail, &unsent, &unloaded);
	return s->stream == STREAM_PRECOPY && unsent > PRECOPY_AHEAD_BYTES;
}

/* What waits goes first; then one buffer of device state, if there is room for one. */
uint64_t saver_stream(void *ctx)
{
	struct gw_error error = GW_ERROR_NONE;
	struct saver *s = ctx;
	struct parcel *parcel;
	int ret;

	if (!push_waiting(s))
		return DEADLINE_NEVER;
	if (s->stream == STREAM_NONE) {
		tell_drained(s);
		return DEADLINE_NEVER;
	}
	if (reads_ahead(s))
		return DEADLINE_NEVER;
	ret = tail_reserve(&s->tail, &parcel);
	__atomic_store_n(&s->starved, ret == -EAGAIN, __ATOMIC_RELAXED);
	if (!ret)
		return read_one(s, parcel);
	if (ret == -EAGAIN)
		return DEADLINE_NEVER;
	err_set(&error, ret, gw_device_id(s->dev), "no memory for a buffer");
	return fail(s, &error);
}

struct device_total saver_total(const struct saver *s)
{
	return (struct device_total){
		.bytes = s->precopy_bytes + s->stop_copy_bytes,
		.buffers = s->number,
		.digest = XXH3_64bits_digest(s->digest),
	};
}
