/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A sender: one data channel of the source and the thread that feeds it from the outbox. RAM goes from where the
 * guest has it into the socket, without a copy.
 */
#ifndef SESSION_SENDER_H
#define SESSION_SENDER_H

#include "channel/channel.h"
#include "channel/meter.h"
#include "channel/rate.h"
#include "session/flight.h"
#include "session/note.h"
#include "session/outbox.h"
#include "wire/message.h"

/* What all senders of a migration share; outlives them. */
struct sending {
	const struct ram *ram;
	struct dirty *dirty;
	struct outbox *outbox;
	struct queue *mailbox;
	struct rate *rate;
	struct meter *meter;
	uint32_t still; /* atomic: guest paused and devices stopped, so RAM can be summed */

	/* atomic: frames that carried something, and how long the channels took for them, all together */
	uint64_t carried_bytes, carried_ns;
	uint64_t filler_bytes; /* atomic: to be sent when a round is over and the wire's rate is not known */
};

struct sender {
	struct sending *shared;
	struct channel channel;
	uint32_t lane;
	pthread_t thread;
	bool started;
	uint64_t seq;
	uint64_t next_chunk;
	struct flight flight;
	uint64_t pages;  /* in frames of this connection */
	uint64_t nr_put; /* bytes of the frame sent last */
	struct frame_summer *summer;
	uint8_t *head; /* frame header and run list */
	struct page_run *runs;
	struct iovec *iov;

	/* atomic, over all connections */
	uint64_t data_pages, zero_pages;

	struct note lane_over, ended, lost;
};

void sender_init(struct sender *sender, struct sending *shared, uint32_t lane);

/*
 * Connects, says HELLO, starts the thread; also again after sender_stop, when the session has read every note of the
 * connection before. link is the number of this one.
 */
int sender_start(struct sender *sender, const struct address *address, const struct message_hello *hello, uint64_t link,
		 uint64_t stall_ns, struct gw_error *e);

/* The outbox must be detached or closed. Any state. */
void sender_stop(struct sender *sender);
void sender_fini(struct sender *sender); /* after sender_stop */

#endif
