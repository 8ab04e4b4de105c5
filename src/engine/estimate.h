/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The downtime to expect if the guest were paused now: what is left over the measured rate, the arcs of the
 * slowest device on both sides (devices move in parallel, so the slowest counts, not the sum), the last sync.
 */
#ifndef ENGINE_ESTIMATE_H
#define ENGINE_ESTIMATE_H

#include "engine/event.h"

struct estimate {
	uint64_t transfer_ns;    /* what shrinks as pre-copy goes on; UINT64_MAX: no rate is known yet */
	uint64_t untracked_ns;   /* RAM of devices without a log: sent again whatever pre-copy did */
	uint64_t transitions_ns; /* what does not shrink either */
	uint64_t sync_ns;
	uint64_t total_ns; /* UINT64_MAX: no rate is known yet */
};

struct estimate estimate_make(const struct sync_result *sync, uint64_t destination_arc_ns);

/* The part that no further round makes smaller. */
uint64_t estimate_floor_ns(const struct estimate *estimate);

#endif
