/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A bounded, closable queue of pointers between threads. Closing is how a thread is told to end: a closed queue
 * takes nothing more, hands out what it still holds, then NULL. What is queued belongs to the queue until popped.
 */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/clock.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* waits on CLOCK_MONOTONIC */
	void **slots;
	size_t nr_slots, first, used;
	bool closed;
};

int queue_init(struct queue *q, size_t nr_slots); /* 0 or -ENOMEM */
void queue_fini(struct queue *q);                 /* no thread may be using it; what it holds is not freed */

/* Waits for room. 0, or -EPIPE if closed: the caller keeps the item. */
int queue_push(struct queue *q, void *item);
/* Does not wait: also -EAGAIN if full. */
int queue_try_push(struct queue *q, void *item);

/* Waits for an item; NULL: closed and empty, or the deadline (of clock_monotonic) has passed. */
void *queue_pop(struct queue *q);
void *queue_pop_until(struct queue *q, uint64_t deadline_ns);

void queue_close(struct queue *q);
bool queue_closed(struct queue *q); /* closed and empty: a NULL from queue_pop_until was the end */

#endif
