/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose turn it is on a data channel: device state, RAM, or the end. */
#include "session/outbox.h"

#include "base/bits.h"
#include "base/thread.h"

#define MOST_AHEAD ((int64_t)LIMIT_CHUNK_BYTES) /* who had nothing to send for a while does not get all of it back */

void outbox_init(struct outbox *box, uint32_t nr_lanes)
{
	*box = (struct outbox){ .nr_lanes = nr_lanes };
	pthread_mutex_init(&box->lock, NULL);
	thread_cond_init(&box->changed);
}

void outbox_fini(struct outbox *box)
{
	if (!box->nr_lanes)
		return;
	pthread_cond_destroy(&box->changed);
	pthread_mutex_destroy(&box->lock);
	box->nr_lanes = 0;
}

bool outbox_push(struct outbox *box, struct parcel *parcel)
{
	bool taken;

	parcel->next = NULL;
	pthread_mutex_lock(&box->lock);
	taken = !box->detached && !box->closed;
	if (taken) {
		if (box->first)
			box->last->next = parcel;
		else
			box->first = parcel;
		box->last = parcel;
		pthread_cond_broadcast(&box->changed);
	}
	pthread_mutex_unlock(&box->lock);
	return taken;
}

void outbox_begin_round(struct outbox *box)
{
	pthread_mutex_lock(&box->lock);
	for (uint32_t i = 0; i < box->nr_lanes; i++)
		box->lanes[i].round = true;
	box->nr_rounds = box->nr_lanes;
	box->ram_ahead = 0;
	pthread_cond_broadcast(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

void outbox_end_round(struct outbox *box, uint32_t lane)
{
	pthread_mutex_lock(&box->lock);
	box->nr_rounds -= box->lanes[lane].round;
	box->lanes[lane].round = false;
	pthread_cond_broadcast(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

void outbox_end(struct outbox *box)
{
	pthread_mutex_lock(&box->lock);
	for (uint32_t i = 0; i < box->nr_lanes; i++)
		box->lanes[i].end = true;
	pthread_cond_broadcast(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

/* With the lock held. Whoever waits for RAM to catch up looks again. */
static void count_ram(struct outbox *box, uint64_t bytes)
{
	bool was_behind = box->ram_ahead <= 0;

	box->ram_ahead += (int64_t)min_u64(bytes, LIMIT_CHUNK_BYTES);
	if (box->ram_ahead > MOST_AHEAD)
		box->ram_ahead = MOST_AHEAD;
	if (was_behind && box->ram_ahead > 0)
		pthread_cond_broadcast(&box->changed);
}

/* With the lock held. A lane without RAM leaves the wire to those that have some, when it is their turn. */
static bool device_is_next(const struct outbox *box)
{
	return box->first && (!box->nr_rounds || box->ram_ahead > 0);
}

static struct parcel *take_parcel(struct outbox *box)
{
	struct parcel *parcel = box->first;

	box->first = parcel->next;
	if (!box->nr_rounds)
		return parcel;
	box->ram_ahead -= (int64_t)parcel->nr_bytes;
	if (box->ram_ahead < -MOST_AHEAD)
		box->ram_ahead = -MOST_AHEAD;
	return parcel;
}

/* With the lock held. */
static bool pick(struct outbox *box, struct lane *lane, struct parcel **parcel, enum work *work)
{
	if (box->closed || box->detached) {
		*work = WORK_CLOSED;
	} else if (device_is_next(box)) {
		*parcel = take_parcel(box);
		*work = WORK_DEVICE;
	} else if (lane->round) {
		lane->sends_ram = true;
		*work = WORK_RAM;
	} else if (lane->end && !box->first) {
		lane->end = false;
		*work = WORK_END;
	} else {
		return false;
	}
	return true;
}

enum work outbox_next(struct outbox *box, uint32_t lane, uint64_t sent_bytes, struct parcel **parcel)
{
	enum work work;

	pthread_mutex_lock(&box->lock);
	if (box->lanes[lane].sends_ram)
		count_ram(box, sent_bytes);
	box->lanes[lane].sends_ram = false;
	while (!pick(box, &box->lanes[lane], parcel, &work))
		pthread_cond_wait(&box->changed, &box->lock);
	pthread_mutex_unlock(&box->lock);
	return work;
}

static void detach(struct outbox *box, bool for_good)
{
	struct parcel *parcel, *next;

	if (!box->nr_lanes)
		return;
	pthread_mutex_lock(&box->lock);
	box->detached = true;
	box->closed |= for_good;
	parcel = box->first;
	box->first = NULL;
	for (uint32_t i = 0; i < box->nr_lanes; i++)
		box->lanes[i] = (struct lane){ 0 };
	box->nr_rounds = 0;
	pthread_cond_broadcast(&box->changed);
	pthread_mutex_unlock(&box->lock);
	for (; parcel; parcel = next) {
		next = parcel->next;
		parcel->returned(parcel, false);
	}
}

void outbox_detach(struct outbox *box)
{
	detach(box, false);
}

void outbox_attach(struct outbox *box)
{
	pthread_mutex_lock(&box->lock);
	box->detached = false;
	pthread_mutex_unlock(&box->lock);
}

void outbox_close(struct outbox *box)
{
	detach(box, true);
}
