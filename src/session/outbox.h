/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the data channels of a source still have to send. Device buffers go by whichever channel is free; RAM goes
 * by the channel its chunk belongs to (chunk number modulo channels), so that a page's newer version can never be
 * overtaken by its older one. Where there is both, they take turns: neither starves the other.
 */
#ifndef SESSION_OUTBOX_H
#define SESSION_OUTBOX_H

#include "engine/event.h"
#include "model/limits.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A device buffer on its way out; belongs to its saver, is lent to the outbox until sent() is called. */
struct parcel {
	struct device_buffer_header header;
	uint32_t nr_bytes;
	uint8_t *bytes;
	void (*sent)(struct parcel *parcel); /* by the channel's thread, when the bytes are in the socket or lost */
	void *owner;
	struct parcel *next;
};

enum work { WORK_RAM, WORK_DEVICE, WORK_END, WORK_CLOSED };

struct lane {
	bool round;       /* a RAM round is on and this lane has not come to its end */
	bool end;         /* END is due when nothing else is left */
	bool device_turn; /* the last thing sent was RAM */
};

struct outbox {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct parcel *first, *last;
	struct lane lanes[GW_MAX_CHANNELS];
	uint32_t nr_lanes;
	enum action_type round_action; /* whose part a lane's end of the round is */
	bool closed;
};

void outbox_init(struct outbox *box, uint32_t nr_lanes);
void outbox_fini(struct outbox *box);

/* A closed outbox gives the parcel back at once. */
void outbox_push(struct outbox *box, struct parcel *parcel);
/* Every lane goes through its chunks once; each then reports its part of action (ROUND or DRAIN). */
void outbox_begin_round(struct outbox *box, enum action_type action);
enum action_type outbox_end_round(struct outbox *box, uint32_t lane);
void outbox_end(struct outbox *box); /* after the last parcel and round: every lane sends END */

/* What the lane does next; waits for it. WORK_DEVICE: *parcel is taken. */
enum work outbox_next(struct outbox *box, uint32_t lane, struct parcel **parcel);

/* Wakes every lane with WORK_CLOSED and gives back what was not sent. */
void outbox_close(struct outbox *box);

#endif
