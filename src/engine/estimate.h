/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The downtime to expect if the guest were paused now. It is worked out along the switchover as it will run: what
 * goes on at the same time counts once, by the longest. Only what was measured goes in; a part of which nothing is
 * known is UINT64_MAX in .parts, and so is their sum, while a decision is made with what is known.
 */
#ifndef ENGINE_ESTIMATE_H
#define ENGINE_ESTIMATE_H

#include "engine/event.h"

struct estimate {
	struct gw_downtime parts; /* as the report has them; UINT64_MAX: not known */
	uint64_t transfer_ns;     /* what shrinks as pre-copy goes on; UINT64_MAX: no rate is known yet */
	uint64_t untracked_ns;    /* RAM of devices without a log: sent again whatever pre-copy did */
	uint64_t transitions_ns;  /* what does not shrink either: known arcs of the slowest device, on both sides */
	uint64_t sync_ns;         /* of the devices' logs, when they have stopped */
	uint64_t floor_ns;        /* the last three, as they overlap, and the messages */
	uint64_t total_ns;        /* floor_ns and transfer_ns; UINT64_MAX: no rate is known yet */
};

struct estimate estimate_make(const struct sync_result *sync);

/* The part that no further round makes smaller. */
uint64_t estimate_floor_ns(const struct estimate *estimate);

#endif
