/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the data channels of a source still have to send. Device buffers go by whichever channel is free; RAM goes
 * by the channel its chunk belongs to (chunk number modulo channels), so that a page's newer version can never be
 * overtaken by its older one. Where there is both, they share the wire by bytes, over all channels together: neither
 * starves the other, however large the buffers of the one and however small the frames of the other.
 *
 * Channels come and go with the connection: while there are none the outbox is detached and takes no parcels.
 */
#ifndef SESSION_OUTBOX_H
#define SESSION_OUTBOX_H

#include "engine/event.h"
#include "session/tail.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum work { WORK_RAM, WORK_DEVICE, WORK_END, WORK_CLOSED };

struct lane {
	bool round;     /* a RAM round is on and this lane has not come to its end */
	bool end;       /* END is due when nothing else is left */
	bool sends_ram; /* what it was given last */
};

struct outbox {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct parcel *first, *last;
	struct lane lanes[GW_MAX_CHANNELS];
	uint32_t nr_lanes;
	uint32_t nr_rounds; /* lanes with a round on */
	int64_t ram_ahead;  /* bytes that RAM was sent more than device state, while a round is on; bounded */
	bool detached, closed;
};

void outbox_init(struct outbox *box, uint32_t nr_lanes);
void outbox_fini(struct outbox *box);

/* False: detached or closed; the parcel was not taken. */
bool outbox_push(struct outbox *box, struct parcel *parcel);
/* Every lane goes through its chunks once. */
void outbox_begin_round(struct outbox *box);
void outbox_end_round(struct outbox *box, uint32_t lane);
void outbox_end(struct outbox *box); /* after the last parcel and round: every lane sends END */

/* What the lane does next, after sent_bytes of what it was given last; waits for it. WORK_DEVICE: *parcel is taken. */
enum work outbox_next(struct outbox *box, uint32_t lane, uint64_t sent_bytes, struct parcel **parcel);

/* Wakes every lane with WORK_CLOSED and gives back what was not sent; rounds and ENDs are forgotten. */
void outbox_detach(struct outbox *box);
void outbox_attach(struct outbox *box); /* new channels are there */
void outbox_close(struct outbox *box);  /* detaches for good */

#endif
