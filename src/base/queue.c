/* SPDX-License-Identifier: BSD-3-Clause */
/* A bounded, closable queue of pointers: one lock, one condition, a ring of slots. */
#include "base/queue.h"

#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>

int queue_init(struct queue *q, size_t nr_slots)
{
	*q = (struct queue){ .nr_slots = nr_slots };
	q->slots = calloc(nr_slots, sizeof(*q->slots));
	if (!q->slots)
		return -ENOMEM;
	pthread_mutex_init(&q->lock, NULL);
	thread_cond_init(&q->changed);
	return 0;
}

void queue_fini(struct queue *q)
{
	if (!q->slots)
		return;
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q->slots);
	q->slots = NULL;
}

/* With the lock held and room in the ring. */
static void put(struct queue *q, void *item)
{
	q->slots[(q->first + q->used++) % q->nr_slots] = item;
	pthread_cond_broadcast(&q->changed);
}

int queue_push(struct queue *q, void *item)
{
	int ret = 0;

	pthread_mutex_lock(&q->lock);
	while (!q->closed && q->used == q->nr_slots)
		pthread_cond_wait(&q->changed, &q->lock);
	if (q->closed)
		ret = -EPIPE;
	else
		put(q, item);
	pthread_mutex_unlock(&q->lock);
	return ret;
}

int queue_try_push(struct queue *q, void *item)
{
	int ret = 0;

	pthread_mutex_lock(&q->lock);
	if (q->closed)
		ret = -EPIPE;
	else if (q->used == q->nr_slots)
		ret = -EAGAIN;
	else
		put(q, item);
	pthread_mutex_unlock(&q->lock);
	return ret;
}

void *queue_pop(struct queue *q)
{
	return queue_pop_until(q, DEADLINE_NEVER);
}

void *queue_pop_until(struct queue *q, uint64_t deadline_ns)
{
	void *item = NULL;

	pthread_mutex_lock(&q->lock);
	while (!q->used && !q->closed)
		if (thread_cond_wait_until(&q->changed, &q->lock, deadline_ns))
			break;
	if (q->used) {
		item = q->slots[q->first];
		q->first = (q->first + 1) % q->nr_slots;
		q->used--;
		pthread_cond_broadcast(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	return item;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

bool queue_closed(struct queue *q)
{
	bool closed;

	pthread_mutex_lock(&q->lock);
	closed = q->closed && !q->used;
	pthread_mutex_unlock(&q->lock);
	return closed;
}
