/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring of what was sent last. */
#include "session/flight.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int flight_init(struct flight *flight)
{
	*flight = (struct flight){ .frames = calloc(FLIGHT_FRAMES, sizeof(struct flight_frame)) };
	return flight->frames ? 0 : -ENOMEM;
}

void flight_fini(struct flight *flight)
{
	free(flight->frames);
	*flight = (struct flight){ 0 };
}

void flight_add(struct flight *flight, uint64_t chunk, const uint64_t words[LIMIT_CHUNK_WORDS])
{
	struct flight_frame *frame = &flight->frames[flight->nr_sent++ % FLIGHT_FRAMES];

	frame->chunk = chunk;
	memcpy(frame->words, words, sizeof(frame->words));
}

static void mark_lane(struct dirty *dirty, uint32_t lane, uint32_t nr_lanes)
{
	uint64_t all[LIMIT_CHUNK_WORDS];

	memset(all, 0xff, sizeof(all));
	for (uint64_t chunk = lane; chunk < dirty->ram->nr_chunks; chunk += nr_lanes)
		dirty_return_chunk(dirty, chunk, all);
}

int flight_rewind(struct flight *flight, uint64_t nr_received, uint32_t lane, uint32_t nr_lanes, struct dirty *dirty)
{
	uint64_t nr_lost = flight->nr_sent - nr_received;

	if (nr_received > flight->nr_sent)
		return -EPROTO;
	if (nr_lost > FLIGHT_FRAMES) {
		mark_lane(dirty, lane, nr_lanes);
	} else {
		for (uint64_t i = nr_received; i < flight->nr_sent; i++) {
			const struct flight_frame *frame = &flight->frames[i % FLIGHT_FRAMES];

			dirty_return_chunk(dirty, frame->chunk, frame->words);
		}
	}
	flight->nr_sent = 0;
	return 0;
}
