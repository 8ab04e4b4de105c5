/* SPDX-License-Identifier: BSD-3-Clause */
/* What is migrated in a schedule, and with what options: a function of its seed. */
#ifndef SIM_CONFIG_H
#define SIM_CONFIG_H

#include "engine/source.h"

#include <stdbool.h>
#include <stdint.h>

struct config {
	const char *name;
	unsigned nr_devices;
	uint64_t writes_per_s;   /* pages, by vCPUs and devices together */
	uint64_t action_max_ns;  /* how long an action takes at most */
	uint64_t arc_ns;         /* how long the slowest device arc takes */
	uint64_t load_ns;        /* how long PREPARE_LOAD and FINISH_LOAD take at least */
	uint64_t run_ns;         /* how long RUN takes at least */
	unsigned initial_rounds; /* syncs until all initial bytes are acknowledged */
	unsigned nr_rearms;      /* how often a device wants new ones when it is to quiesce */
	uint32_t max_rounds;
	enum no_converge no_converge;
	enum dry_run dry_run;
	bool fails; /* undisturbed, it does not converge */

	/* by the seed, for each of those above */
	bool reconnect, arbiter;
	uint32_t p2p;     /* bit a device that is quiet in its P2P state already */
	uint32_t precopy; /* bit a device that tells of its state before it stops */
};

#define NR_CONFIGS_OF_A_KIND 4 /* with and without reconnecting, with and without an arbiter */

unsigned config_nr(void); /* seeds with the same remainder by this have the same kind and options */
void config_of_seed(uint64_t seed, struct config *config);
bool config_is_small(uint64_t seed); /* so few events that every pair of faults can be tried */

#endif
