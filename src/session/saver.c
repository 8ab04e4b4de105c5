/* SPDX-License-Identifier: BSD-3-Clause */
/* One device on the source: transitions and logs as jobs, its state as a stream in between. */
#include "session/saver.h"

#include "base/bitmap.h"
#include "base/err.h"
#include "model/device_state.h"
#include "model/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define NOTHING_NOW_NS (20 * NS_PER_MS) /* how long to leave a device alone that had nothing new in pre-copy */

static uint64_t idle(void *ctx);

static void give_back(struct saver *s, struct parcel *parcel, uint64_t credit)
{
	pthread_mutex_lock(&s->lock);
	parcel->next = s->free;
	s->free = parcel;
	s->credit += credit;
	pthread_mutex_unlock(&s->lock);
}

static void parcel_sent(struct parcel *parcel)
{
	struct saver *s = parcel->owner;

	give_back(s, parcel, 0);
	worker_kick(&s->worker);
}

int saver_init(struct saver *s, struct gw_device *dev, uint32_t index, const struct ram *ram, struct dirty *dirty,
	       struct outbox *outbox, struct queue *mailbox, struct gw_error *e)
{
	uint64_t largest = 0;
	int ret;

	*s = (struct saver){ .dev = dev, .index = index, .ram = ram, .dirty = dirty, .outbox = outbox };
	pthread_mutex_init(&s->lock, NULL);
	s->saved.type = NOTE_SAVED;
	s->fault.type = NOTE_FAULT;
	s->state = device_state(dev);
	for (uint32_t i = 0; i < ram->nr_blocks; i++)
		largest = max_u64(largest, ram->blocks[i].size_bytes / GW_PAGE_BYTES);
	s->bitmap = bitmap_new(largest);
	s->digest = XXH3_createState();
	if (!s->bitmap || !s->digest)
		return err_set(e, -ENOMEM, gw_device_id(dev), "no memory to save the device");
	XXH3_64bits_reset(s->digest);
	for (unsigned i = 0; i < SAVER_PARCELS; i++) {
		s->parcels[i] = (struct parcel){ .sent = parcel_sent, .owner = s, .next = s->free };
		s->free = &s->parcels[i];
	}
	ret = worker_start(&s->worker, "gw-saver", mailbox, idle, s);
	return ret ? err_set(e, ret, gw_device_id(dev), "cannot start a thread") : 0;
}

void saver_fini(struct saver *s)
{
	worker_stop(&s->worker);
	for (unsigned i = 0; i < SAVER_PARCELS; i++)
		free(s->parcels[i].bytes);
	XXH3_freeState(s->digest);
	free(s->bitmap);
	if (s->dev)
		pthread_mutex_destroy(&s->lock);
	*s = (struct saver){ 0 };
}

static int walk(struct saver *s, uint32_t to, struct gw_error *e)
{
	int ret = device_walk(s->dev, to, &s->arcs, e);

	__atomic_store_n(&s->mean_arc_ns, arc_log_mean_ns(&s->arcs), __ATOMIC_RELAXED);
	__atomic_store_n(&s->state, device_state(s->dev), __ATOMIC_RELAXED);
	if (device_state_session(device_state(s->dev)) != SESSION_SAVE)
		s->stream = STREAM_NONE; /* also where a failed arc and its recovery have left it */
	return ret;
}

bool saver_can_precopy(const struct saver *s)
{
	return device_info(s->dev)->migration_flags & GW_MIGRATION_PRE_COPY;
}

static bool has_p2p(const struct saver *s)
{
	return device_info(s->dev)->migration_flags & GW_MIGRATION_P2P;
}

/*
 * How much is still to come: the larger of what pre-copy and stop-copy tell, since the two overlap and neither is
 * sure to include the other (some drivers move everything again in stop-copy).
 */
static void update_remaining(struct saver *s)
{
	struct gw_precopy_info info = { 0 };
	uint64_t stop = 0;
	bool known = !gw_device_stop_size(s->dev, &stop, NULL);

	if (s->stream == STREAM_PRECOPY && !gw_device_precopy_info(s->dev, &info, NULL))
		known = true;
	__atomic_store_n(&s->remaining_bytes, max_u64(stop, info.initial_bytes + info.dirty_bytes), __ATOMIC_RELAXED);
	__atomic_store_n(&s->sizes_known, known, __ATOMIC_RELAXED);
}

static int track_start(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;
	struct gw_iova_range ranges[GW_MAX_RAM_BLOCKS];

	for (uint32_t i = 0; i < s->ram->nr_blocks; i++)
		ranges[i] = (struct gw_iova_range){ s->ram->blocks[i].gpa, s->ram->blocks[i].size_bytes };
	/* A device that does not log is no failure: all it may reach then counts as written at the last sync. */
	s->logging = device_info(s->dev)->features & GW_FEATURE_DMA_LOG &&
		     !device_log_start(s->dev, ranges, s->ram->nr_blocks, GW_PAGE_BYTES, NULL);
	__atomic_store_n(&s->tracked, s->logging, __ATOMIC_RELAXED);
	(void)e;
	return 0;
}

static int start_precopy(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;
	struct gw_precopy_info info = { 0 };
	int ret = walk(s, GW_STATE_PRE_COPY, e);

	if (ret)
		return ret;
	s->stream = STREAM_PRECOPY;
	if (!gw_device_precopy_info(s->dev, &info, NULL))
		__atomic_store_n(&s->initial_pending, info.initial_bytes > 0, __ATOMIC_RELAXED);
	update_remaining(s);
	return 0;
}

/* Merges the device's log. What cannot be told counts as written: the log is lost with any error. */
static int sync_log(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	for (uint32_t i = 0; s->logging && i < s->ram->nr_blocks; i++) {
		const struct gw_ram_block *block = &s->ram->blocks[i];

		memset(s->bitmap, 0, bitmap_words(block->size_bytes / GW_PAGE_BYTES) * sizeof(uint64_t));
		if (device_log_report(s->dev, block->gpa, block->size_bytes, GW_PAGE_BYTES, s->bitmap, NULL))
			dirty_mark(s->dirty, block->gpa, block->size_bytes);
		else
			dirty_merge(s->dirty, i, s->bitmap);
	}
	update_remaining(s);
	(void)e;
	return 0;
}

static int last_sync(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	if (!s->logging)
		dirty_mark_all(s->dirty);
	return s->logging ? sync_log(ctx, e) : 0;
}

static int quiesce(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	return walk(s, device_state_quiesced(device_info(s->dev)->migration_flags, device_state(s->dev)), e);
}

static int stop(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;
	int ret = walk(s, GW_STATE_STOP_COPY, e);

	if (!ret)
		s->stream = STREAM_STOP_COPY;
	return ret;
}

static void stop_logging(struct saver *s)
{
	if (s->logging)
		device_log_stop(s->dev, NULL);
	s->logging = false;
}

/* First step: no device initiates to its peers before every one can answer. One that never stopped stays. */
static int take_back(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	s->stream = STREAM_NONE;
	stop_logging(s);
	if (!has_p2p(s) || device_state_may_dma_peer(device_state(s->dev)))
		return 0;
	return walk(s, GW_STATE_RUNNING_P2P, e);
}

static int run_again(void *ctx, struct gw_error *e)
{
	return walk(ctx, GW_STATE_RUNNING, e);
}

static int release(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	s->stream = STREAM_NONE;
	stop_logging(s);
	return walk(s, GW_STATE_STOP, e);
}

void saver_begin(struct saver *s, enum action_type action)
{
	static int (*const runs[NR_ACTION_TYPES])(void *, struct gw_error *) = {
		[ACTION_TRACK_START] = track_start,
		[ACTION_PRECOPY] = start_precopy,
		[ACTION_SYNC] = sync_log,
		[ACTION_QUIESCE] = quiesce,
		[ACTION_STOP] = stop,
		[ACTION_DRAIN] = last_sync,
		[ACTION_TAKE_BACK] = take_back,
		[ACTION_RELEASE] = release,
	};

	worker_post(&s->worker, &s->jobs[action], action, runs[action], s);
}

void saver_begin_running(struct saver *s)
{
	worker_post(&s->worker, &s->jobs[ACTION_TAKE_BACK], ACTION_TAKE_BACK, run_again, s);
}

void saver_add_to_sync(const struct saver *s, struct sync_result *r)
{
	uint32_t nr_source = has_p2p(s) ? 2 : 1, nr_destination = has_p2p(s) ? 3 : 2;

	r->device_bytes += __atomic_load_n(&s->remaining_bytes, __ATOMIC_RELAXED);
	r->source_arc_ns = max_u64(r->source_arc_ns, __atomic_load_n(&s->mean_arc_ns, __ATOMIC_RELAXED));
	r->initial_pending += __atomic_load_n(&s->initial_pending, __ATOMIC_RELAXED);
	r->sizes_unknown += !__atomic_load_n(&s->sizes_known, __ATOMIC_RELAXED);
	if (!__atomic_load_n(&s->tracked, __ATOMIC_RELAXED))
		r->untracked_bytes = s->ram->total_pages * GW_PAGE_BYTES;
	r->nr_source_arcs = (uint32_t)max_u64(r->nr_source_arcs, nr_source);
	r->nr_destination_arcs = (uint32_t)max_u64(r->nr_destination_arcs, nr_destination);
}

void saver_open_window(struct saver *s, uint64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	s->window_bytes = bytes;
	pthread_mutex_unlock(&s->lock);
	saver_grant(s, bytes);
}

void saver_grant(struct saver *s, uint64_t bytes)
{
	pthread_mutex_lock(&s->lock);
	s->credit = min_u64(s->credit + min_u64(bytes, s->window_bytes), s->window_bytes);
	pthread_mutex_unlock(&s->lock);
	worker_kick(&s->worker);
}

/* A parcel and credit for all it can hold, or NULL: whoever brings what is missing kicks the worker. */
static struct parcel *take_parcel(struct saver *s)
{
	struct parcel *parcel = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->free && s->credit >= LIMIT_DEVICE_BUFFER_BYTES) {
		parcel = s->free;
		s->free = parcel->next;
		s->credit -= LIMIT_DEVICE_BUFFER_BYTES;
	}
	pthread_mutex_unlock(&s->lock);
	return parcel;
}

static uint32_t buffer_flags(struct saver *s, bool last)
{
	struct gw_precopy_info info = { .initial_bytes = 1 };
	uint32_t flags = last ? DEVICE_BUFFER_LAST : 0;

	if (s->stream == STREAM_STOP_COPY)
		return flags | DEVICE_BUFFER_STOP_COPY;
	if (s->initial_marked || !__atomic_load_n(&s->initial_pending, __ATOMIC_RELAXED))
		return flags;
	if (gw_device_precopy_info(s->dev, &info, NULL) || info.initial_bytes)
		return flags;
	s->initial_marked = true;
	return flags | DEVICE_BUFFER_INITIAL_END;
}

static void send(struct saver *s, struct parcel *parcel, uint64_t bytes, bool last)
{
	uint64_t *counter = s->stream == STREAM_STOP_COPY ? &s->stop_copy_bytes : &s->precopy_bytes;

	parcel->nr_bytes = (uint32_t)bytes;
	parcel->header = (struct device_buffer_header){
		.device = s->index,
		.flags = buffer_flags(s, last),
		.number = s->number++,
		.sent = s->precopy_bytes + s->stop_copy_bytes,
	};
	XXH3_64bits_update(s->digest, parcel->bytes, bytes);
	__atomic_fetch_add(counter, bytes, __ATOMIC_RELAXED);
	pthread_mutex_lock(&s->lock);
	s->credit += LIMIT_DEVICE_BUFFER_BYTES - device_buffer_cost(bytes); /* it was taken for a full one */
	pthread_mutex_unlock(&s->lock);
	outbox_push(s->outbox, parcel);
}

static uint64_t end_stream(struct saver *s, struct note *note)
{
	s->stream = STREAM_NONE;
	note_post(s->worker.mailbox, note);
	return DEADLINE_NEVER;
}

static ssize_t read_state(struct saver *s, struct parcel *parcel, struct gw_error *e)
{
	if (!parcel->bytes)
		parcel->bytes = malloc(LIMIT_DEVICE_BUFFER_BYTES);
	if (!parcel->bytes)
		return err_set(e, -ENOMEM, gw_device_id(s->dev), "no memory for a buffer");
	return gw_device_data_read(s->dev, parcel->bytes, LIMIT_DEVICE_BUFFER_BYTES, e);
}

/* One buffer of device state, if there is room for one. */
static uint64_t idle(void *ctx)
{
	struct saver *s = ctx;
	struct gw_error error = GW_ERROR_NONE;
	struct parcel *parcel;
	ssize_t n;

	parcel = s->stream == STREAM_NONE ? NULL : take_parcel(s);
	if (!parcel)
		return DEADLINE_NEVER;
	n = read_state(s, parcel, &error);
	if (n > 0) {
		send(s, parcel, (uint64_t)n, false);
		return 0;
	}
	if (n == 0 && s->stream == STREAM_STOP_COPY) {
		send(s, parcel, 0, true);
		return end_stream(s, &s->saved);
	}
	give_back(s, parcel, LIMIT_DEVICE_BUFFER_BYTES);
	if (n == 0 || n == -ENOMSG)
		return clock_deadline_ns(&clock_monotonic, NOTHING_NOW_NS);
	s->fault.error = error;
	return end_stream(s, &s->fault);
}

struct device_total saver_total(const struct saver *s)
{
	return (struct device_total){
		.bytes = s->precopy_bytes + s->stop_copy_bytes,
		.buffers = s->number,
		.digest = XXH3_64bits_digest(s->digest),
	};
}
