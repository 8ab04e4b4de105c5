/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffers for device state, a bounded number of them: made when first needed, kept until the end. A buffer belongs to
 * whoever got it, changes owner with the message, and goes back by pool_put, from any thread.
 */
#ifndef CHANNEL_POOL_H
#define CHANNEL_POOL_H

#include "model/limits.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct buffer {
	struct device_buffer_header header;
	uint32_t nr_bytes; /* used, of LIMIT_DEVICE_BUFFER_BYTES */
	uint8_t *bytes;	   /* page aligned */
	struct buffer *next;
	uint8_t head[FRAME_HEADER_BYTES + FRAME_DEVICE_FIXED_BYTES]; /* room for the encoded frame before bytes */
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct buffer *free; /* the last put is the first got: its memory is warm */
	unsigned nr_max, nr_made, nr_free;
	bool closed;
};

void pool_init(struct pool *pool, unsigned nr_max); /* allocates nothing */

/* Waits while all are out. NULL: closed, or no memory for even one. Header and nr_bytes are zero. */
struct buffer *pool_get(struct pool *pool);
/* Does not wait: NULL also if all are out. */
struct buffer *pool_try_get(struct pool *pool);

void pool_put(struct pool *pool, struct buffer *buffer); /* NULL is fine; also after pool_close */

void pool_close(struct pool *pool);
/* Frees the buffers that are back: all of them must be, or they leak. */
void pool_fini(struct pool *pool);

#endif
