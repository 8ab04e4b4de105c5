/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The decision after each dirty sync: switch over, go on with pre-copy, slow the guest down, or give up with a
 * sentence that says by how much and what would help. Owned by the source's engine; it knows nothing of phases and
 * messages.
 */
#ifndef ENGINE_CONVERGE_H
#define ENGINE_CONVERGE_H

#include "engine/estimate.h"

#include <stdbool.h>

enum no_converge { NO_CONVERGE_WAIT, NO_CONVERGE_THROTTLE, NO_CONVERGE_CANCEL };

struct converge {
	uint64_t downtime_limit_ns;
	uint32_t max_rounds; /* 0: no limit */
	enum no_converge policy;
	bool can_throttle;

	uint32_t nr_hopeless;      /* decisions in a row at which the floor of the estimate was over the limit */
	uint64_t waited_rounds;    /* rounds made while the destination was not ready to take over: not counted */
	uint32_t nr_polished;      /* rounds made although the estimate was within the limit */
	uint32_t nr_stuck;         /* decisions in a row over the limit and no better than best_ns */
	uint64_t best_ns;          /* the estimate that counted as progress last; 0: none yet */
	uint32_t nr_steps;         /* of the throttle, taken */
	uint32_t throttle_percent; /* of the last step */
};

enum verdict { VERDICT_ROUND, VERDICT_SWITCH, VERDICT_THROTTLE, VERDICT_GIVE_UP };

/*
 * round: how many are over. may_switch: LOADABLE has come, and the peer is there. The estimate is of this sync.
 * THROTTLE: to throttle_percent, and then a round. GIVE_UP: *e says why, with EBUSY.
 */
enum verdict converge_decide(struct converge *converge, uint64_t round, bool may_switch, const struct sync_result *sync,
			     const struct estimate *estimate, struct gw_error *e);

/* The sentence when pre-copy has taken all the time it was given. */
void converge_out_of_time(const struct converge *converge, uint64_t limit_ns, const struct estimate *estimate,
			  struct gw_error *e);

#endif
