/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tail of a device's stream: the buffers that have been read from the device and are not yet loaded at the other
 * side. They are kept, so that those that a broken connection swallowed can be sent again; the destination's window
 * bounds them. One thread (the saver's worker) appends; the others may come from any thread.
 */
#ifndef SESSION_TAIL_H
#define SESSION_TAIL_H

#include "model/limits.h"
#include "wire/frame.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum parcel_state {
	PARCEL_WAITING, /* to be handed to the outbox */
	PARCEL_LENT,    /* there, or with a channel's thread */
	PARCEL_SENT,    /* in a socket, or lost with it */
};

/* One buffer of device state. */
struct parcel {
	struct device_buffer_header header;
	uint32_t nr_bytes;
	uint32_t room_bytes;
	uint8_t *bytes;
	enum parcel_state state;
	/* By whoever it was lent to, when it is of no more use there. sent: some of it may have left. */
	void (*returned)(struct parcel *parcel, bool sent);
	void *owner;
	struct parcel *next;  /* in the outbox */
	struct parcel *newer; /* in the tail */
};

struct tail {
	pthread_mutex_t lock;
	struct parcel *oldest, *newest, *spare;
	unsigned nr_spare;
	uint64_t window_bytes;
	uint64_t used_bytes; /* cost of all that is kept, and of the one being read */
	uint64_t nr_appended;
};

void tail_init(struct tail *tail);
void tail_fini(struct tail *tail); /* nothing may be lent; also of a zeroed struct */

/* The window that the destination offered; before it there is no room. */
void tail_open(struct tail *tail, uint64_t window_bytes);

/* A parcel with room for a whole buffer. -EAGAIN: the window is full, an acknowledgement makes room; -ENOMEM. */
int tail_reserve(struct tail *tail, struct parcel **parcel);
/* It was not used. */
void tail_abandon(struct tail *tail, struct parcel *parcel);
/* It has nr_bytes and a header, whose number this sets. It waits now. */
void tail_append(struct tail *tail, struct parcel *parcel);

/* The oldest that waits, lent from now on; NULL: none. */
struct parcel *tail_lend(struct tail *tail);
/* It was sent, or is to wait again. */
void tail_take_back(struct tail *tail, struct parcel *parcel, bool sent);
bool tail_has_waiting(struct tail *tail);
/* State that has been read and is not sent yet, and that is not loaded yet (sent or not). */
void tail_count(struct tail *tail, uint64_t *unsent_bytes, uint64_t *unloaded_bytes);

/* All with a number below loaded are of no more use. -EPROTO: the peer speaks of some that were never read. */
int tail_acknowledge(struct tail *tail, uint64_t loaded);
/* After the connection broke, with nothing lent: those from number next on are to be sent again. -EPROTO. */
int tail_rewind(struct tail *tail, uint64_t next, uint64_t loaded);

#endif
