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
#include "memory/dirty.h"
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
};

struct sender {
	struct sending *shared;
	struct channel channel;
	uint32_t lane;
	pthread_t thread;
	bool started;
	uint64_t seq;
	uint64_t next_chunk;
	struct frame_summer *summer;
	uint8_t *head; /* frame header and run list */
	struct page_run *runs;
	struct iovec *iov;

	/* atomic */
	uint64_t ram_frames, data_pages, zero_pages;

	struct note round_over, ended, lost;
};

void sender_init(struct sender *sender, struct sending *shared, uint32_t lane);

/* Connects, says HELLO, starts the thread. */
int sender_start(struct sender *sender, const struct address *address, const struct message_hello *hello,
		 uint64_t stall_ns, struct gw_error *e);

/* The outbox must be closed. Any state. */
void sender_stop(struct sender *sender);

#endif
