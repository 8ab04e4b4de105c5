/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * RAM in flight on one data channel: which pages each of its last frames carried, so that those that a broken
 * connection swallowed can be marked dirty again. RAM is not acknowledged while all goes well: the destination counts
 * frames and is asked when it matters. A frame older than what is remembered is answered by marking the whole lane.
 */
#ifndef SESSION_FLIGHT_H
#define SESSION_FLIGHT_H

#include "memory/dirty.h"

#define FLIGHT_FRAMES 1024u /* 72 KiB a channel; a socket holds a few frames with pages, many that are zero marks */

struct flight_frame {
	uint64_t chunk;
	uint64_t words[LIMIT_CHUNK_WORDS];
};

struct flight {
	struct flight_frame *frames; /* of the last FLIGHT_FRAMES, at number % FLIGHT_FRAMES */
	uint64_t nr_sent;
};

int flight_init(struct flight *flight); /* 0 or -ENOMEM */
void flight_fini(struct flight *flight);

void flight_add(struct flight *flight, uint64_t chunk, const uint64_t words[LIMIT_CHUNK_WORDS]);

/*
 * The connection broke after nr_received frames had come whole: what the others carried is dirty. lane and nr_lanes
 * say which chunks travel here. Begins anew with frame 0. -EPROTO: more than were sent.
 */
int flight_rewind(struct flight *flight, uint64_t nr_received, uint32_t lane, uint32_t nr_lanes, struct dirty *dirty);

#endif
