/* SPDX-License-Identifier: BSD-3-Clause */
/* A pool of device-state buffers: a list of free ones, and a count of those that were made. */
#include "channel/pool.h"

#include "base/thread.h"

#include <stdlib.h>

void pool_init(struct pool *pool, unsigned nr_max)
{
	*pool = (struct pool){ .nr_max = nr_max };
	pthread_mutex_init(&pool->lock, NULL);
	thread_cond_init(&pool->changed);
}

static struct buffer *make(void)
{
	struct buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer)
		return NULL;
	buffer->bytes = aligned_alloc(GW_PAGE_BYTES, LIMIT_DEVICE_BUFFER_BYTES);
	if (!buffer->bytes) {
		free(buffer);
		return NULL;
	}
	return buffer;
}

/* With the lock held: one of the free ones, or a new one, or NULL. */
static struct buffer *take(struct pool *pool)
{
	struct buffer *buffer = pool->free;

	if (buffer) {
		pool->free = buffer->next;
		pool->nr_free--;
	} else if (pool->nr_made < pool->nr_max) {
		buffer = make();
		pool->nr_made += buffer != NULL;
	}
	if (buffer) {
		buffer->header = (struct device_buffer_header){ 0 };
		buffer->nr_bytes = 0;
		buffer->next = NULL;
	}
	return buffer;
}

struct buffer *pool_get(struct pool *pool)
{
	struct buffer *buffer = NULL;

	pthread_mutex_lock(&pool->lock);
	while (!pool->closed && !(buffer = take(pool)) && pool->nr_made)
		pthread_cond_wait(&pool->changed, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
	return buffer;
}

struct buffer *pool_try_get(struct pool *pool)
{
	struct buffer *buffer = NULL;

	pthread_mutex_lock(&pool->lock);
	if (!pool->closed)
		buffer = take(pool);
	pthread_mutex_unlock(&pool->lock);
	return buffer;
}

void pool_put(struct pool *pool, struct buffer *buffer)
{
	if (!buffer)
		return;
	pthread_mutex_lock(&pool->lock);
	buffer->next = pool->free;
	pool->free = buffer;
	pool->nr_free++;
	pthread_cond_signal(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

void pool_close(struct pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	pthread_cond_broadcast(&pool->changed);
	pthread_mutex_unlock(&pool->lock);
}

void pool_fini(struct pool *pool)
{
	while (pool->free) {
		struct buffer *buffer = pool->free;

		pool->free = buffer->next;
		free(buffer->bytes);
		free(buffer);
	}
	pthread_cond_destroy(&pool->changed);
	pthread_mutex_destroy(&pool->lock);
}
