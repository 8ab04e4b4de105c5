/* SPDX-License-Identifier: BSD-3-Clause */
/* What has been read and is not yet loaded: a list by number, in order. */
#include "session/tail.h"

#include <errno.h>
#include <stdlib.h>

#define SPARE_PARCELS 4 /* whole buffers kept for the next read: mapping fresh memory costs more than reading */

static void free_parcel(struct parcel *parcel)
{
	free(parcel->bytes);
	free(parcel);
}

void tail_init(struct tail *tail)
{
	*tail = (struct tail){ 0 };
	pthread_mutex_init(&tail->lock, NULL);
}

void tail_fini(struct tail *tail)
{
	struct parcel *parcel;

	while ((parcel = tail->oldest)) {
		tail->oldest = parcel->newer;
		free_parcel(parcel);
	}
	while ((parcel = tail->spare)) {
		tail->spare = parcel->newer;
		free_parcel(parcel);
	}
	pthread_mutex_destroy(&tail->lock);
	*tail = (struct tail){ 0 };
}

void tail_open(struct tail *tail, uint64_t window_bytes)
{
	pthread_mutex_lock(&tail->lock);
	tail->window_bytes = window_bytes;
	pthread_mutex_unlock(&tail->lock);
}

static struct parcel *new_parcel(void)
{
	struct parcel *parcel = calloc(1, sizeof(*parcel));

	if (!parcel)
		return NULL;
	parcel->bytes = malloc(LIMIT_DEVICE_BUFFER_BYTES);
	parcel->room_bytes = LIMIT_DEVICE_BUFFER_BYTES;
	if (parcel->bytes)
		return parcel;
	free(parcel);
	return NULL;
}

int tail_reserve(struct tail *tail, struct parcel **parcel)
{
	bool room;

	pthread_mutex_lock(&tail->lock);
	room = tail->window_bytes >= tail->used_bytes + LIMIT_DEVICE_BUFFER_BYTES;
	*parcel = room ? tail->spare : NULL;
	if (*parcel) {
		tail->spare = (*parcel)->newer;
		tail->nr_spare--;
	}
	if (room)
		tail->used_bytes += LIMIT_DEVICE_BUFFER_BYTES;
	pthread_mutex_unlock(&tail->lock);
	if (!room)
		return -EAGAIN;
	if (!*parcel)
		*parcel = new_parcel();
	if (*parcel)
		return 0;
	pthread_mutex_lock(&tail->lock);
	tail->used_bytes -= LIMIT_DEVICE_BUFFER_BYTES;
	pthread_mutex_unlock(&tail->lock);
	return -ENOMEM;
}

/* With the lock held. */
static void drop(struct tail *tail, struct parcel *parcel)
{
	if (parcel->room_bytes < LIMIT_DEVICE_BUFFER_BYTES || tail->nr_spare >= SPARE_PARCELS) {
		free_parcel(parcel);
		return;
	}
	parcel->newer = tail->spare;
	tail->spare = parcel;
	tail->nr_spare++;
}

void tail_abandon(struct tail *tail, struct parcel *parcel)
{
	pthread_mutex_lock(&tail->lock);
	tail->used_bytes -= LIMIT_DEVICE_BUFFER_BYTES;
	drop(tail, parcel);
	pthread_mutex_unlock(&tail->lock);
}

/* A small buffer in a large allocation would make the window's bound a lie. */
static void shrink(struct parcel *parcel)
{
	void *smaller;

	if (parcel->nr_bytes > parcel->room_bytes / 2)
		return;
	smaller = realloc(parcel->bytes, parcel->nr_bytes ? parcel->nr_bytes : 1);
	if (!smaller)
		return;
	parcel->bytes = smaller;
	parcel->room_bytes = parcel->nr_bytes;
}

void tail_append(struct tail *tail, struct parcel *parcel)
{
	shrink(parcel);
	parcel->newer = NULL;
	parcel->state = PARCEL_WAITING;
	pthread_mutex_lock(&tail->lock);
	parcel->header.number = tail->nr_appended++;
	tail->used_bytes -= LIMIT_DEVICE_BUFFER_BYTES - device_buffer_cost(parcel->nr_bytes);
	if (tail->oldest)
		tail->newest->newer = parcel;
	else
		tail->oldest = parcel;
	tail->newest = parcel;
	pthread_mutex_unlock(&tail->lock);
}

struct parcel *tail_lend(struct tail *tail)
{
	struct parcel *parcel;

	pthread_mutex_lock(&tail->lock);
	for (parcel = tail->oldest; parcel && parcel->state != PARCEL_WAITING; parcel = parcel->newer)
		;
	if (parcel)
		parcel->state = PARCEL_LENT;
	pthread_mutex_unlock(&tail->lock);
	return parcel;
}

void tail_take_back(struct tail *tail, struct parcel *parcel, bool sent)
{
	pthread_mutex_lock(&tail->lock);
	parcel->state = sent ? PARCEL_SENT : PARCEL_WAITING;
	pthread_mutex_unlock(&tail->lock);
}

bool tail_has_waiting(struct tail *tail)
{
	struct parcel *parcel;

	pthread_mutex_lock(&tail->lock);
	for (parcel = tail->oldest; parcel && parcel->state != PARCEL_WAITING; parcel = parcel->newer)
		;
	pthread_mutex_unlock(&tail->lock);
	return parcel;
}

void tail_count(struct tail *tail, uint64_t *unsent_bytes, uint64_t *unloaded_bytes)
{
	*unsent_bytes = *unloaded_bytes = 0;
	pthread_mutex_lock(&tail->lock);
	for (struct parcel *parcel = tail->oldest; parcel; parcel = parcel->newer) {
		*unloaded_bytes += parcel->nr_bytes;
		*unsent_bytes += parcel->state == PARCEL_SENT ? 0 : parcel->nr_bytes;
	}
	pthread_mutex_unlock(&tail->lock);
}

/* With the lock held. One that is still lent stops it: the peer has it, its sender has yet to say so. */
static void drop_loaded(struct tail *tail, uint64_t loaded)
{
	struct parcel *parcel;

	while ((parcel = tail->oldest) && parcel->header.number < loaded && parcel->state != PARCEL_LENT) {
		tail->oldest = parcel->newer;
		tail->used_bytes -= device_buffer_cost(parcel->nr_bytes);
		drop(tail, parcel);
	}
}

int tail_acknowledge(struct tail *tail, uint64_t loaded)
{
	int ret = -EPROTO;

	pthread_mutex_lock(&tail->lock);
	if (loaded <= tail->nr_appended) {
		drop_loaded(tail, loaded);
		ret = 0;
	}
	pthread_mutex_unlock(&tail->lock);
	return ret;
}

int tail_rewind(struct tail *tail, uint64_t next, uint64_t loaded)
{
	int ret = -EPROTO;

	pthread_mutex_lock(&tail->lock);
	if (loaded <= next && next <= tail->nr_appended) {
		drop_loaded(tail, loaded);
		for (struct parcel *parcel = tail->oldest; parcel; parcel = parcel->newer)
			if (parcel->header.number >= next && parcel->state == PARCEL_SENT)
				parcel->state = PARCEL_WAITING;
		/* What is gone cannot be sent again: a peer that asks for it contradicts its own word. */
		ret = next < (tail->oldest ? tail->oldest->header.number : tail->nr_appended) ? -EPROTO : 0;
	}
	pthread_mutex_unlock(&tail->lock);
	return ret;
}
