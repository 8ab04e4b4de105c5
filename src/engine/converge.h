/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decision after each dirty sync: switch over, go on with pre-copy, or give up with a sentence that says by
 * how much and what would help. Owned by the source's engine; it knows nothing of phases and messages.
 */
#ifndef ENGINE_CONVERGE_H
#define ENGINE_CONVERGE_H

#include "engine/estimate.h"

#include <stdbool.h>

struct converge {
	uint64_t downtime_limit_ns;
	uint32_t max_rounds;    /* 0: no limit */
	uint32_t nr_hopeless;   /* decisions in a row at which the floor of the estimate was over the limit */
	uint64_t waited_rounds; /* rounds made while the destination was not ready to take over: not counted */
	uint32_t nr_polished;   /* rounds made although the estimate was within the limit */
};

enum verdict { VERDICT_ROUND, VERDICT_SWITCH, VERDICT_GIVE_UP };

/*
 * round: how many are over. may_switch: LOADABLE has come. The estimate is of this sync. GIVE_UP: *e says why,
 * with EBUSY.
 */
enum verdict converge_decide(struct converge *converge, uint64_t round, bool may_switch, const struct sync_result *sync,
			     const struct estimate *estimate, struct gw_error *e);

#endif
