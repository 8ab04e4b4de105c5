/* SPDX-License-Identifier: BSD-3-Clause */
/* One device on the source: its transitions and its dirty log as jobs, and what they are likely to take. */
#include "session/saver.h"

#include "base/bitmap.h"
#include "base/err.h"
#include "model/device_state.h"
#include "model/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define FUTILE_REPORTS 2 /* in a row that say nothing but "all of it" */

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
	ret = worker_start(&s->worker, "gw-saver", mailbox, saver_stream, s);
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
	if (!saver_look_at_precopy(s, &info)) {
		pthread_mutex_lock(&s->lock);
		s->initial_pending |= info.initial_bytes > 0;
		pthread_mutex_unlock(&s->lock);
	}
	saver_update_remaining(s);
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
	saver_update_remaining(s);
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
	saver_update_remaining(s);
	(void)e;
	return 0;
}

static int quiesce(void *ctx, struct gw_error *e)
{
	struct saver *s = ctx;
	int ret = walk(s, device_state_quiesced(device_info(s->dev)->migration_flags, device_state(s->dev)), e);

	if (!ret)
		saver_update_remaining(s); /* the last moment at which it can ask for its initial bytes anew */
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
