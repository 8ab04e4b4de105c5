/* SPDX-License-Identifier: BSD-3-Clause */
/* Whose turn it is on a data channel: device state, RAM, or the end. */
#include "session/outbox.h"

#include "base/thread.h"

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

void outbox_push(struct outbox *box, struct parcel *parcel)
{
	bool closed;

	parcel->next = NULL;
	pthread_mutex_lock(&box->lock);
	closed = box->closed;
	if (!closed) {
		if (box->first)
			box->last->next = parcel;
		else
			box->first = parcel;
		box->last = parcel;
		pthread_cond_broadcast(&box->changed);
	}
	pthread_mutex_unlock(&box->lock);
	if (closed)
		parcel->sent(parcel);
}

void outbox_begin_round(struct outbox *box, enum action_type action)
{
	pthread_mutex_lock(&box->lock);
	box->round_action = action;
	for (uint32_t i = 0; i < box->nr_lanes; i++)
		box->lanes[i].round = true;
	pthread_cond_broadcast(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

enum action_type outbox_end_round(struct outbox *box, uint32_t lane)
{
	enum action_type action;

	pthread_mutex_lock(&box->lock);
	box->lanes[lane].round = false;
	action = box->round_action;
	pthread_mutex_unlock(&box->lock);
	return action;
}

void outbox_end(struct outbox *box)
{
	pthread_mutex_lock(&box->lock);
	for (uint32_t i = 0; i < box->nr_lanes; i++)
		box->lanes[i].end = true;
	pthread_cond_broadcast(&box->changed);
	pthread_mutex_unlock(&box->lock);
}

/* With the lock held. */
static bool pick(struct outbox *box, struct lane *lane, struct parcel **parcel, enum work *work)
{
	if (box->closed) {
		*work = WORK_CLOSED;
	} else if (box->first && (lane->device_turn || !lane->round)) {
		*parcel = box->first;
		box->first = box->first->next;
		lane->device_turn = false;
		*work = WORK_DEVICE;
	} else if (lane->round) {
		lane->device_turn = true;
		*work = WORK_RAM;
	} else if (lane->end) {
		lane->end = false;
		*work = WORK_END;
	} else {
		return false;
	}
	return true;
}

enum work outbox_next(struct outbox *box, uint32_t lane, struct parcel **parcel)
{
	enum work work;

	pthread_mutex_lock(&box->lock);
	while (!pick(box, &box->lanes[lane], parcel, &work))
		pthread_cond_wait(&box->changed, &box->lock);
	pthread_mutex_unlock(&box->lock);
	return work;
}

void outbox_close(struct outbox *box)
{
	struct parcel *parcel, *next;

	if (!box->nr_lanes)
		return;
	pthread_mutex_lock(&box->lock);
	box->closed = true;
	parcel = box->first;
	box->first = NULL;
	pthread_cond_broadcast(&box->changed);
	pthread_mutex_unlock(&box->lock);
	for (; parcel; parcel = next) {
		next = parcel->next;
		parcel->sent(parcel);
	}
}
