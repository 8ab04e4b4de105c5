/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulation: both engines against each other in one process, under seeded schedules of delays, and in each of
 * them everything that can go wrong at every place where it can: the k-th action fails, the connection is cut at
 * the k-th event, ..., for k = 1, 2, 3, ... until a schedule ends before its k-th.
 *
 *	sim			the default run
 *	sim SEEDS		with so many seeds
 *	sim SEED K MODE		one schedule again, told event by event
 */
#include "world.h"

#include "base/bits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SEEDS 70
#define MAX_SHOWN     10

/* A seed's configuration is the one at seed modulo how many there are. */
static const struct config configs[] = {
	{ .name = "no device", .writes_per_s = 100, .action_max_ns = 5 * NS_PER_MS, .converges = true },
	{ .name = "one device",
	  .nr_devices = 1,
	  .writes_per_s = 100,
	  .action_max_ns = 5 * NS_PER_MS,
	  .arc_ns = 2 * NS_PER_MS,
	  .initial_rounds = 3,
	  .converges = true },
	{ .name = "three devices",
	  .nr_devices = 3,
	  .writes_per_s = 60,
	  .action_max_ns = 30 * NS_PER_MS,
	  .arc_ns = 10 * NS_PER_MS,
	  .initial_rounds = 5,
	  .converges = true },
	{ .name = "slow load",
	  .nr_devices = 2,
	  .writes_per_s = 15,
	  .action_max_ns = 100 * NS_PER_MS,
	  .arc_ns = 20 * NS_PER_MS,
	  .load_ns = 3 * NS_PER_S,
	  .initial_rounds = 2,
	  .converges = true },
	{ .name = "slow start",
	  .nr_devices = 1,
	  .writes_per_s = 50,
	  .action_max_ns = 20 * NS_PER_MS,
	  .arc_ns = 5 * NS_PER_MS,
	  .run_ns = 3 * NS_PER_S,
	  .converges = true },
	{ .name = "slow transitions",
	  .nr_devices = 2,
	  .writes_per_s = 50,
	  .action_max_ns = 10 * NS_PER_MS,
	  .arc_ns = 200 * NS_PER_MS },
	{ .name = "busy guest", .writes_per_s = 20000, .action_max_ns = 10 * NS_PER_MS, .max_rounds = 4 },
};

static const char *const mode_names[NR_MODES] = {
	[MODE_NOTHING] = "nothing",
	[MODE_FAIL_ACTION] = "fail-action",
	[MODE_CUT] = "cut",
	[MODE_DEAF_SOURCE] = "deaf-source",
	[MODE_DEAF_DESTINATION] = "deaf-destination",
	[MODE_DEAF_BOTH] = "deaf-both",
	[MODE_KILL_SOURCE] = "kill-source",
	[MODE_KILL_DESTINATION] = "kill-destination",
	[MODE_CANCEL_SOURCE] = "cancel-source",
	[MODE_CANCEL_DESTINATION] = "cancel-destination",
	[MODE_FAULT_SOURCE] = "fault-source",
	[MODE_FAULT_DESTINATION] = "fault-destination",
	[MODE_NOISE_SOURCE] = "noise-source",
	[MODE_NOISE_DESTINATION] = "noise-destination",
	[MODE_TWICE] = "twice",
};

struct totals {
	uint64_t schedules, violations;
	uint64_t source[4], destination[4]; /* by outcome, before the user decides */
};

/* True: what was to go wrong did, so there may be a later place for it. */
static bool run_schedule(uint64_t seed, uint64_t k, enum mode mode, bool trace, struct totals *totals)
{
	const struct config *config = &configs[seed % ARRAY_SIZE(configs)];
	static struct world world;

	memset(&world, 0, sizeof(world));
	world.trace = trace;
	world_init(&world, config, seed, mode, k);
	judge_end(&world);
	totals->schedules++;
	totals->source[world.ended_as[SOURCE]]++;
	totals->destination[world.ended_as[DESTINATION]]++;
	if (world.nr_violations) {
		totals->violations++;
		printf("in \"%s\": sim %llu %llu %s\n", config->name, (unsigned long long)seed, (unsigned long long)k,
		       mode_names[mode]);
	}
	return world.injected;
}

static void run_seed(uint64_t seed, struct totals *totals)
{
	for (enum mode mode = MODE_NOTHING; mode < NR_MODES; mode++)
		for (uint64_t k = 1; run_schedule(seed, k, mode, false, totals); k++)
			if (totals->violations >= MAX_SHOWN)
				return;
}

static int run_all(uint64_t nr_seeds)
{
	struct totals totals = { 0 };

	for (uint64_t seed = 0; seed < nr_seeds && totals.violations < MAX_SHOWN; seed++)
		run_seed(seed, &totals);
	for (enum gw_outcome outcome = GW_OUTCOME_NONE; outcome <= GW_OWNER_UNKNOWN; outcome++)
		printf("%-14s source %8llu  destination %8llu\n",
		       (const char *[]){ "none", "completed", "rolled back", "owner unknown" }[outcome],
		       (unsigned long long)totals.source[outcome], (unsigned long long)totals.destination[outcome]);
	printf("%llu schedules, %llu violations\n", (unsigned long long)totals.schedules,
	       (unsigned long long)totals.violations);
	return totals.violations || !totals.schedules;
}

static int replay(uint64_t seed, uint64_t k, const char *name)
{
	struct totals totals = { 0 };

	for (enum mode mode = MODE_NOTHING; mode < NR_MODES; mode++) {
		if (strcmp(name, mode_names[mode]))
			continue;
		run_schedule(seed, k, mode, true, &totals);
		printf("%llu violations\n", (unsigned long long)totals.violations);
		return totals.violations != 0;
	}
	fprintf(stderr, "sim: no mode \"%s\"\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc == 4)
		return replay(strtoull(argv[1], NULL, 0), strtoull(argv[2], NULL, 0), argv[3]);
	if (argc > 2) {
		fprintf(stderr, "usage: sim [SEEDS | SEED K MODE]\n");
		return 2;
	}
	return run_all(argc == 2 ? strtoull(argv[1], NULL, 0) : DEFAULT_SEEDS);
}
