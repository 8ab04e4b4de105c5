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

#define PRECOPY_AHEAD_BYTES LIMIT_DEVICE_BUFFER_BYTES /* read but not sent, beside the buffer that is being sent */
#define FUTILE_REPORTS      2                         /* in a row that say nothing but "all of it" */
#define NOTHING_NOW_NS      (20 * NS_PER_MS) /* how long to leave a device alone that had nothing new in pre-copy */

static uint64_t idle(void *ctx);

static void parcel_returned(struct parcel *parcel, bool sent)
{
	struct saver *s = parcel->owner;

	tail_take_back(&s->tail, parcel, sent);
	if (sent)
		worker_kick(&s->worker); /* it may wait for that, see reads_ahead */
}

static void foresee_ways(struct saver *s)
{
	uint32_t flags = device_info(s->dev)->migration_flags, state = device_state(s->dev);
	uint32_t quiesced = device_state_quiesced(flags, state);

	pthread_mutex_lock(&s->lock);
	s->quiesce = way_between(&s->arcs, flags, state, quiesced);
	s->stop = way_between(&s->arcs, flags, quiesced, GW_STATE_STOP_COPY);
	pthread_mutex_unlock(&s->lock);
}

int saver_init(struct saver *s, struct gw_device *dev, uint32_t index, const struct ram *ram, struct dirty *dirty,
	       struct outbox *outbox, struct queue *mailbox, struct gw_error *e)
{
	uint64_t largest = 0;
	int ret;

	*s = (struct saver){ .dev = dev, .index = index, .ram = ram, .dirty = dirty, .outbox = outbox };
	pthread_mutex_init(&s->lock, NULL);
	tail_init(&s->tail);
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
	foresee_ways(s);
	ret = worker_start(&s->worker, "gw-saver", mailbox, idle, s);
	return ret ? err_set(e, ret, gw_device_id(dev), "cannot start a thread") : 0;
}

void saver_fini(struct saver *s)
{
	worker_stop(&s->worker);
	XXH3_freeState(s->digest);
	free(s->bitmap);
	if (s->dev) {
		tail_fini(&s->tail);
		pthread_mutex_destroy(&s->lock);
	}
	*s = (struct saver){ 0 };
}

static int walk(struct saver *s, uint32_t to, struct gw_error *e)
{
	int ret = device_walk(s->dev, to, &s->arcs, e);

	foresee_ways(s);
	__atomic_store_n(&s->arc_ns, typical_arc_ns(&s->arcs), __ATOMIC_RELAXED);
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
 * Asks what pre-copy has left, and sees whether the device wants its initial bytes acknowledged anew (REINIT): the flag
 * stands until the next read, so it is a new wish only if something was read since the last one.
 */
static int look_at_precopy(struct saver *s, struct gw_precopy_info *info)
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
static void update_remaining(struct saver *s)
{
	struct gw_precopy_info info = { 0 };
	uint64_t stop = 0;
	bool known = !gw_device_stop_size(s->dev, &stop, NULL);

	if (s->stream == STREAM_PRECOPY && !look_at_precopy(s, &info))
		known = true;
	__atomic_store_n(&s->remaining_bytes, max_u64(stop, info.initial_bytes + info.dirty_bytes), __ATOMIC_RELAXED);
	__atomic_store_n(&s->readable_bytes, info.initial_bytes + info.dirty_bytes, __ATOMIC_RELAXED);
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
	if (!look_at_precopy(s, &info)) {
		pthread_mutex_lock(&s->lock);
		s->initial_pending |= info.initial_bytes > 0;
		pthread_mutex_unlock(&s->lock);
	}
	update_remaining(s);
	return 0;
}

/* Merges the device's log. What cannot be told counts as written: the log is lost with any error. */
static void merge_log(struct saver *s)
{
	uint64_t began_ns = clock_now_ns(&clock_monotonic), nr = 0;

	for (uint32_t i = 0; i < s->ram->nr_blocks; i++) {
		const struct gw_ram_block *block = &s->ram->blocks[i];
		uint64_t pages = block->size_bytes / GW_PAGE_BYTES;

		memset(s->bitmap, 0, bitmap_words(pages) * sizeof(uint64_t));
		if (device_log_report(s->dev, block->gpa, block->size_bytes, GW_PAGE_BYTES, s->bitmap, NULL)) {
			dirty_mark(s->dirty, block->gpa, block->size_bytes);
			continue;
		}
		nr += bitmap_count(s->bitmap, pages);
		dirty_merge(s->dirty, i, s->bitmap);
	}
	s->nr_full = nr == s->ram->total_pages ? s->nr_full + 1 : 0;
	pthread_mutex_lock(&s->lock);
	recent_add(&s->log, clock_now_ns(&clock_monotonic) - began_ns);
	pthread_mutex_unlock(&s->lock);
}

/*
 * A log that calls all RAM written each time (type 1 behind an IOMMU that cannot tell) is worse than none in pre-copy,
 * for all of it would travel in every round: it is left alone until the last sync.
 */
static int sync_log(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	if (s->logging && s->nr_full < FUTILE_REPORTS)
		merge_log(s);
	if (s->nr_full >= FUTILE_REPORTS)
		__atomic_store_n(&s->tracked, 0, __ATOMIC_RELAXED);
	update_remaining(s);
	(void)e;
	return 0;
}

static int last_sync(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	if (s->logging)
		merge_log(s);
	else
		dirty_mark_all(s->dirty);
	update_remaining(s);
	(void)e;
	return 0;
}

static int quiesce(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;
	int ret = walk(s, device_state_quiesced(device_info(s->dev)->migration_flags, device_state(s->dev)), e);

	if (!ret)
		update_remaining(s); /* the last moment at which it can ask for its initial bytes anew */
	return ret;
}

/* The decision was taken back: on with pre-copy, from a P2P state or wherever quiescing left it. */
static int unpause(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;

	return walk(s, s->stream == STREAM_PRECOPY ? GW_STATE_PRE_COPY : GW_STATE_RUNNING, e);
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
		[ACTION_UNPAUSE] = unpause,
		[ACTION_TAKE_BACK] = take_back,
		[ACTION_RELEASE] = release,
	};

	worker_post(&s->worker, &s->jobs[action], action, runs[action], s);
}

void saver_begin_running(struct saver *s)
{
	worker_post(&s->worker, &s->jobs[ACTION_TAKE_BACK], ACTION_TAKE_BACK, run_again, s);
}

/* What is known of this device's arcs here, else of its twin's there; 0: nothing. */
static uint64_t arc_ns(const struct saver *s)
{
	uint64_t here_ns = __atomic_load_n(&s->arc_ns, __ATOMIC_RELAXED);

	return here_ns ? here_ns : __atomic_load_n(&s->there_arc_ns, __ATOMIC_RELAXED);
}

/* With the lock held. One more buffer is read in pre-copy before the pause comes, if nothing holds it back. */
static void look_at_state(struct saver *s, struct device_outlook *o)
{
	uint64_t left = __atomic_load_n(&s->remaining_bytes, __ATOMIC_RELAXED);
	uint64_t readable = min_u64(left, __atomic_load_n(&s->readable_bytes, __ATOMIC_RELAXED));

	tail_count(&s->tail, &o->unsent_bytes, &o->unloaded_bytes);
	if (o->unsent_bytes <= PRECOPY_AHEAD_BYTES)
		o->ahead_bytes = min_u64(readable, LIMIT_DEVICE_BUFFER_BYTES);
	left -= o->ahead_bytes;
	o->bytes = __atomic_load_n(&s->sizes_known, __ATOMIC_RELAXED) ? left : UINT64_MAX;
	o->window_bytes = s->tail.window_bytes;
	o->read_bytes_per_s = tally_rate(&s->reads, left);
	o->load_bytes_per_s = tally_rate(&s->loads, left + o->unloaded_bytes);
}

void saver_look_ahead(struct saver *s, struct device_outlook *o)
{
	uint64_t here_ns = arc_ns(s), there_ns = __atomic_load_n(&s->there_arc_ns, __ATOMIC_RELAXED);
	const struct way one = { .nr_unseen = 1 };

	pthread_mutex_lock(&s->lock);
	*o = (struct device_outlook){
		.quiesce_ns = way_ns(&s->quiesce, here_ns),
		.stop_ns = way_ns(&s->stop, here_ns),
		.log_ns = recent_ns(&s->log),
		.leave_ns = way_ns(&one, there_ns),
		.p2p_ns = has_p2p(s) ? way_ns(&one, there_ns) : 0,
		.run_ns = way_ns(&one, there_ns),
	};
	look_at_state(s, o);
	pthread_mutex_unlock(&s->lock);
}

void saver_heard_arcs(struct saver *s, uint64_t arc_ns)
{
	__atomic_store_n(&s->there_arc_ns, arc_ns, __ATOMIC_RELAXED);
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

	if (s->stream != STREAM_PRECOPY || look_at_precopy(s, &info) || info.initial_bytes)
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
static uint64_t idle(void *ctx)
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
