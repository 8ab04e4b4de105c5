/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A receiver: one data channel of the destination and the thread that empties it. RAM goes from the socket to where
 * the guest will have it, without a copy; device buffers go to their loader. Nothing that comes is believed: types,
 * lengths, run lists, device numbers, sums and credit are checked before anything is touched.
 */
#ifndef SESSION_RECEIVER_H
#define SESSION_RECEIVER_H

#include "channel/channel.h"
#include "channel/meter.h"
#include "memory/page_digest.h"
#include "memory/ram.h"
#include "session/loader.h"
#include "session/note.h"

/* Of all receivers together; atomic. */
struct receive_counts {
	uint64_t ram_frames, data_pages, zero_pages;
};

/* What all receivers of a migration share; outlives them. */
struct receiving {
	const struct ram *ram;
	struct page_digest *digest; /* NULL: not verifying */
	struct loader *loaders;
	uint32_t nr_loaders;
	struct queue *mailbox;
	struct meter *meter;
	uint64_t link; /* of the connection at hand */
	struct receive_counts *counts;
	uint64_t last_data_ns; /* atomic: when the last payload was complete */
};

struct receiver {
	struct receiving *shared;
	struct channel channel;
	pthread_t thread;
	bool started;
	uint64_t seq;
	uint64_t *nr_frames; /* RAM frames that came and are trusted; the destination's, outlives the connection */
	struct frame_summer *summer;
	uint8_t *head;
	struct page_run *runs;
	struct iovec *iov;

	struct note ended, lost;
};

void receiver_init(struct receiver *receiver);

/*
 * Takes over a socket whose HELLO (frame 0) has been read, and starts the thread. The fd is the receiver's in any case.
 * *nr_frames counts on; it is read when the receiver has stopped.
 */
int receiver_start(struct receiver *receiver, struct receiving *shared, int fd, uint64_t *nr_frames, uint64_t stall_ns,
		   struct gw_error *e);
void receiver_stop(struct receiver *receiver); /* any state */

#endif
