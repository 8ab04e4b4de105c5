/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The engine's thread and its holds. What an operation, a stream and stamps do is in operation.c, stream.c and peer.c:
 * each does at most one piece when its time has come, and says when it is due next.
 */
#include "ref/device/engine.h"

#include "ref/device/device.h"
#include "ref/device/operation.h"
#include "ref/device/pace.h"
#include "ref/device/peer.h"
#include "ref/device/stream.h"

#define XXH_STATIC_LINKING_ONLY
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <xxhash.h>

/* Does what is due now; the time of what is due next. */
static uint64_t run_once(struct ref_device *dev)
{
	static uint64_t (*const parts[])(struct ref_device *, uint64_t) = {
		ref_operation_run,
		ref_stream_run,
		ref_stream_raise,
	};
	uint64_t next = PACE_NEVER, next_peer = PACE_NEVER;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]) && !dev->engine.holds; i++) {
		uint64_t due = parts[i](dev, pace_now());

		next = due < next ? due : next;
	}
	if (!dev->engine.holds)
		ref_irqs_deliver(&dev->irqs);
	if (!dev->engine.peer_holds)
		next_peer = ref_peer_run(dev, pace_now());
	/* What was given up meanwhile is not due before it is released. */
	if (dev->engine.holds)
		next = PACE_NEVER;
	if (dev->engine.peer_holds)
		next_peer = PACE_NEVER;
	return next < next_peer ? next : next_peer;
}

/*
 * A wake-up between run_once and the wait could only be lost if the lock was given up in between, and it is not:
 * but run_once gives it up during a piece, so after a piece the parts say "now" and are asked again.
 */
static void *engine_main(void *arg)
{
	struct ref_device *dev = arg;

	pthread_mutex_lock(&dev->lock);
	while (!dev->engine.ended) {
		uint64_t next = run_once(dev);

		if (dev->engine.ended || next <= pace_now())
			continue;
		if (next == PACE_NEVER) {
			pthread_cond_wait(&dev->changed, &dev->lock);
		} else {
			struct timespec ts = pace_timespec(next);

			pthread_cond_timedwait(&dev->changed, &dev->lock, &ts);
		}
	}
	pthread_mutex_unlock(&dev->lock);
	return NULL;
}

/* Signals are for the program's other threads. */
static int start_thread(struct ref_device *dev)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = -pthread_create(&dev->engine.thread, NULL, engine_main, dev);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ret;
}

int ref_engine_start(struct ref_device *dev)
{
	int ret = -ENOMEM;

	dev->engine.holds = 1;
	dev->engine.peer_holds = 1;
	dev->engine.bounce = malloc(ENGINE_BOUNCE_BYTES);
	dev->engine.hash = XXH3_createState();
	if (dev->engine.bounce && dev->engine.hash)
		ret = start_thread(dev);
	dev->engine.started = !ret;
	return ret;
}

void ref_engine_stop(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->engine.ended = true;
	pthread_cond_broadcast(&dev->changed);
	pthread_mutex_unlock(&dev->lock);
	if (dev->engine.started)
		pthread_join(dev->engine.thread, NULL);
	free(dev->engine.bounce);
	XXH3_freeState(dev->engine.hash);
}

/* The engine begins no such piece any more, but maybe one of the other kind. */
static void await_end(struct ref_device *dev, unsigned int pieces)
{
	while (dev->engine.in_piece & pieces)
		pthread_cond_wait(&dev->changed, &dev->lock);
}

void ref_engine_hold(struct ref_device *dev)
{
	dev->engine.holds++;
	dev->engine.peer_holds++;
	await_end(dev, ENGINE_PIECE_OWN | ENGINE_PIECE_PEER);
}

void ref_engine_release(struct ref_device *dev)
{
	dev->engine.holds--;
	dev->engine.peer_holds--;
	ref_engine_wake(dev);
}

void ref_engine_park(struct ref_device *dev)
{
	dev->engine.holds++;
	await_end(dev, ENGINE_PIECE_OWN);
}

void ref_engine_unpark(struct ref_device *dev)
{
	dev->engine.holds--;
	ref_engine_wake(dev);
}

void ref_engine_hold_peers(struct ref_device *dev)
{
	dev->engine.peer_holds++;
	await_end(dev, ENGINE_PIECE_PEER);
}

void ref_engine_release_peers(struct ref_device *dev)
{
	dev->engine.peer_holds--;
	ref_engine_wake(dev);
}

void ref_engine_wake(struct ref_device *dev)
{
	pthread_cond_broadcast(&dev->changed);
}

void ref_engine_piece_begin(struct ref_device *dev, enum engine_piece piece)
{
	dev->engine.in_piece = piece;
	pthread_mutex_unlock(&dev->lock);
}

void ref_engine_piece_end(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->lock);
	dev->engine.in_piece = ENGINE_PIECE_NONE;
	if (dev->engine.holds || dev->engine.peer_holds)
		pthread_cond_broadcast(&dev->changed);
}

void ref_engine_reset(struct engine *engine)
{
	engine->op_due_ns = 0;
	engine->op_carried = false;
	engine->op_hashed = 0;
	engine->stream_due_ns = 0;
	engine->stream_carried = false;
	engine->stream_moved = false;
	engine->stream_raised_ns = 0;
	engine->peer_due_ns = 0;
	engine->peer_carried = false;
}

void ref_engine_carry_over(struct engine *engine)
{
	engine->op_carried = true;
	engine->stream_carried = true;
	engine->peer_carried = true;
}

void ref_engine_register_written(struct ref_device *dev, uint64_t reg, uint64_t value)
{
	switch (reg) {
	case REFDEV_REG_OP_DOORBELL:
		ref_operation_start(dev);
		break;
	case REFDEV_REG_OP_RATE:
		ref_operation_repace(dev);
		break;
	case REFDEV_REG_STREAM_CONTROL:
		ref_stream_control(dev, (uint32_t)value);
		break;
	case REFDEV_REG_STREAM_CONSUMER:
		ref_stream_move_consumer(dev, value);
		break;
	case REFDEV_REG_STREAM_RATE:
		ref_stream_repace(dev);
		break;
	case REFDEV_REG_PEER_CONTROL:
		ref_peer_control(dev, (uint32_t)value);
		break;
	case REFDEV_REG_PEER_RATE:
		ref_peer_repace(dev);
		break;
	default:
		return;
	}
	ref_engine_wake(dev);
}

void ref_engine_wrote(struct ref_device *dev, uint64_t iova, uint64_t size)
{
	struct strike strike = ref_fault_at(dev, FAULT_LOG, FAULT_LOG_DIRTY, LOG_GOOD, iova, size);

	if (strike.action == FAULT_SHIFT)
		iova += strike.value * dev->log.page_size;
	if (strike.action != FAULT_IGNORE)
		ref_dma_log_mark(&dev->log, iova, size);
}
