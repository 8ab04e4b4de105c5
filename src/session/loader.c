/* SPDX-License-Identifier: BSD-3-Clause */
/* One device on the destination: buffers put in order, written, granted anew. */
#include "session/loader.h"

#include "base/err.h"
#include "model/device_state.h"
#include "model/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static uint64_t idle(void *ctx);

int loader_init(struct loader *l, struct gw_device *dev, uint32_t index, uint64_t window_bytes, struct control *control,
		struct queue *mailbox, uint64_t attempt, uint64_t *bytes, struct gw_error *e)
{
	int ret;

	*l = (struct loader){
		.dev = dev, .index = index, .window_bytes = window_bytes, .control = control, .bytes = bytes
	};
	__atomic_store_n(bytes, 0, __ATOMIC_RELAXED);
	pthread_mutex_init(&l->lock, NULL);
	l->loaded = (struct note){ .type = NOTE_SAVED, .attempt = attempt };
	l->fault = (struct note){ .type = NOTE_FAULT, .attempt = attempt };
	l->state = device_state(dev);
	l->nr_slots = window_bytes / LIMIT_DEVICE_BUFFER_COST;
	l->slots = calloc(l->nr_slots, sizeof(struct arrival *));
	l->digest = XXH3_createState();
	if (!l->slots || !l->digest)
		return err_set(e, -ENOMEM, gw_device_id(dev), "no memory to load the device");
	XXH3_64bits_reset(l->digest);
	ret = worker_start(&l->worker, "gw-loader", mailbox, idle, l);
	return ret ? err_set(e, ret, gw_device_id(dev), "cannot start a thread") : 0;
}

void loader_fini(struct loader *l)
{
	worker_stop(&l->worker);
	for (uint64_t i = 0; l->slots && i < l->nr_slots; i++)
		free(l->slots[i]);
	free(l->slots);
	XXH3_freeState(l->digest);
	if (l->dev)
		pthread_mutex_destroy(&l->lock);
	*l = (struct loader){ 0 };
}

int loader_expect(struct loader *l, const struct device_buffer_header *header, uint32_t nr_bytes, struct gw_error *e)
{
	uint64_t cost = device_buffer_cost(nr_bytes);
	int ret = 0;

	pthread_mutex_lock(&l->lock);
	if (header->number < l->next || header->number - l->next >= l->nr_slots)
		ret = err_set(e, -EPROTO, gw_device_id(l->dev), "the peer sent buffer %llu where %llu is due",
			      (unsigned long long)header->number, (unsigned long long)l->next);
	else if (cost > l->window_bytes - l->used_credit)
		ret = err_set(e, -EPROTO, gw_device_id(l->dev), "the peer sent more device state than was granted");
	else
		l->used_credit += cost;
	pthread_mutex_unlock(&l->lock);
	return ret;
}

int loader_put(struct loader *l, struct arrival *arrival, struct gw_error *e)
{
	struct arrival **slot = &l->slots[arrival->header.number % l->nr_slots];
	bool twice;

	pthread_mutex_lock(&l->lock);
	twice = *slot || arrival->header.number < l->next;
	if (!twice)
		*slot = arrival;
	pthread_mutex_unlock(&l->lock);
	if (twice) {
		free(arrival);
		return err_set(e, -EPROTO, gw_device_id(l->dev), "the peer sent a buffer twice");
	}
	worker_kick(&l->worker);
	return 0;
}

void loader_rewind(struct loader *l, struct device_resumed *resumed)
{
	uint64_t end;

	pthread_mutex_lock(&l->lock);
	for (end = l->next; end - l->next < l->nr_slots && l->slots[end % l->nr_slots]; end++)
		;
	for (uint64_t number = end; number - l->next < l->nr_slots; number++) {
		struct arrival **slot = &l->slots[number % l->nr_slots];

		if (*slot)
			l->used_credit -= device_buffer_cost((*slot)->nr_bytes);
		free(*slot);
		*slot = NULL;
	}
	pthread_mutex_unlock(&l->lock);
	resumed->next = end;
	loader_update(l, resumed);
}

void loader_update(struct loader *l, struct device_resumed *resumed)
{
	pthread_mutex_lock(&l->lock);
	resumed->loaded = l->nr_loaded;
	resumed->initial_loaded = l->initial_loaded;
	pthread_mutex_unlock(&l->lock);
}

static int walk(struct loader *l, uint32_t to, struct gw_error *e)
{
	int ret = device_walk(l->dev, to, &l->arcs, e);

	__atomic_store_n(&l->state, device_state(l->dev), __ATOMIC_RELAXED);
	return ret;
}

static int prepare_load(void *ctx, struct gw_error *e)
{
	struct loader *l = ctx;
	int ret = walk(l, GW_STATE_RESUMING, e);

	l->loading = !ret;
	return ret;
}

static int run_p2p(void *ctx, struct gw_error *e)
{
	struct loader *l = ctx;

	if (!device_state_exists(device_info(l->dev)->migration_flags, GW_STATE_RUNNING_P2P))
		return 0;
	return walk(l, GW_STATE_RUNNING_P2P, e);
}

static int run(void *ctx, struct gw_error *e)
{
	return walk(ctx, GW_STATE_RUNNING, e);
}

/*
 * What was loaded must never come to life here: a reset forgets it. A device that has none stays in STOP, which the
 * next who opens it ends.
 */
static int discard(void *ctx, struct gw_error *e)
{
	struct loader *l = ctx;
	int ret;

	l->loading = false;
	if (!(device_info(l->dev)->features & GW_FEATURE_RESET))
		return walk(l, *l->bytes ? GW_STATE_STOP : GW_STATE_RUNNING, e);
	ret = gw_device_reset(l->dev, e);
	__atomic_store_n(&l->state, device_state(l->dev), __ATOMIC_RELAXED);
	return ret;
}

void loader_begin(struct loader *l, enum action_type action)
{
	worker_post(&l->worker, &l->jobs[action], action, action == ACTION_PREPARE_LOAD ? prepare_load : discard, l);
}

void loader_begin_run(struct loader *l, uint32_t state)
{
	worker_post(&l->worker, &l->jobs[ACTION_RUN], ACTION_RUN, state == GW_STATE_RUNNING_P2P ? run_p2p : run, l);
}

static struct arrival *take_next(struct loader *l)
{
	struct arrival *arrival;

	pthread_mutex_lock(&l->lock);
	arrival = l->slots[l->next % l->nr_slots];
	if (arrival) {
		l->slots[l->next % l->nr_slots] = NULL;
		l->next++;
	}
	pthread_mutex_unlock(&l->lock);
	return arrival;
}

static int write_all(struct loader *l, const struct arrival *arrival, struct gw_error *e)
{
	uint64_t began_ns = clock_now_ns(&clock_monotonic);
	uint32_t done = 0;

	if (arrival->header.sent != *l->bytes)
		return err_set(e, -EBADMSG, gw_device_id(l->dev), "the peer's count of state bytes is %llu, ours %llu",
			       (unsigned long long)arrival->header.sent, (unsigned long long)*l->bytes);
	while (done < arrival->nr_bytes) {
		ssize_t n = gw_device_data_write(l->dev, arrival->bytes + done, arrival->nr_bytes - done, e);

		if (n < 0)
			return (int)n;
		if (n == 0 || (size_t)n > arrival->nr_bytes - done)
			return err_set(e, -EIO, gw_device_id(l->dev), "the device takes no more state");
		done += (uint32_t)n;
	}
	l->busy_ns += clock_now_ns(&clock_monotonic) - began_ns;
	XXH3_64bits_update(l->digest, arrival->bytes, arrival->nr_bytes);
	__atomic_fetch_add(l->bytes, arrival->nr_bytes, __ATOMIC_RELAXED);
	return 0;
}

/*
 * A message that a broken connection swallows is no failure: RESUMED says all of it again. A channel that is of no more
 * use is told of by its own thread.
 */
static int tell(struct loader *l, const struct message *message, struct gw_error *e)
{
	int ret = control_send(l->control, message, NULL);

	return ret == -ENOMEM ? err_set(e, ret, gw_device_id(l->dev), "no memory for a message") : 0;
}

/* Tells the source that room is free again: now and then, and always before the worker goes to sleep. */
static int grant(struct loader *l, const struct arrival *arrival, struct gw_error *e)
{
	uint64_t freed = device_buffer_cost(arrival->nr_bytes);
	struct message message = { .type = FRAME_GRANT, .grant.device = l->index };
	bool more;

	pthread_mutex_lock(&l->lock);
	l->used_credit -= freed;
	l->nr_loaded = message.grant.loaded = arrival->header.number + 1;
	more = l->slots[l->next % l->nr_slots];
	pthread_mutex_unlock(&l->lock);
	l->grant_due += freed;
	l->bytes_due += arrival->nr_bytes;
	if (more && l->grant_due < l->window_bytes / 4)
		return 0;
	message.grant.bytes = l->bytes_due;
	message.grant.busy_ns = min_u64(l->busy_ns, LIMIT_DURATION_NS);
	l->grant_due = l->bytes_due = l->busy_ns = 0;
	return tell(l, &message, e);
}

static int initial_loaded(struct loader *l, uint64_t number, struct gw_error *e)
{
	struct message message = {
		.type = FRAME_INITIAL_LOADED,
		.initial_loaded = { .device = l->index, .number = number },
	};

	pthread_mutex_lock(&l->lock);
	l->initial_loaded = number + 1;
	pthread_mutex_unlock(&l->lock);
	return tell(l, &message, e);
}

/* The last buffer is in: the device checks what it has got when it leaves RESUMING. */
static int finish(struct loader *l, struct gw_error *e)
{
	int ret;

	__atomic_store_n(&l->load_ns, clock_now_ns(&clock_monotonic) - l->began_ns, __ATOMIC_RELAXED);
	l->loading = false;
	ret = walk(l, GW_STATE_STOP, e);
	if (ret)
		return ret;
	note_post(l->worker.mailbox, &l->loaded);
	return 0;
}

static int load(struct loader *l, const struct arrival *arrival, struct gw_error *e)
{
	int ret;

	if (arrival->header.flags & DEVICE_BUFFER_STOP_COPY && !l->began_ns)
		l->began_ns = clock_now_ns(&clock_monotonic);
	ret = write_all(l, arrival, e);
	if (!ret)
		ret = grant(l, arrival, e);
	if (!ret && arrival->header.flags & DEVICE_BUFFER_INITIAL_END)
		ret = initial_loaded(l, arrival->header.number, e);
	if (!ret && arrival->header.flags & DEVICE_BUFFER_LAST)
		ret = finish(l, e);
	return ret;
}

static uint64_t idle(void *ctx)
{
	struct loader *l = ctx;
	struct arrival *arrival = l->loading ? take_next(l) : NULL;
	int ret;

	if (!arrival)
		return DEADLINE_NEVER;
	ret = load(l, arrival, &l->fault.error);
	free(arrival);
	if (ret) {
		l->loading = false;
		note_post(l->worker.mailbox, &l->fault);
	}
	return 0;
}

void loader_result(const struct loader *l, struct device_loaded *result)
{
	*result = (struct device_loaded){ .load_ns = l->load_ns, .nr_arcs = l->arcs.nr };
	memcpy(result->arcs, l->arcs.arcs, sizeof(result->arcs));
	result->total = (struct device_total){
		.bytes = __atomic_load_n(l->bytes, __ATOMIC_RELAXED),
		.buffers = l->next,
		.digest = XXH3_64bits_digest(l->digest),
	};
}
