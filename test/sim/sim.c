/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The simulation: both engines against each other in one process, under seeded schedules of delays, and in each of
 * them everything that can go wrong at every place where it can, alone and in pairs: the k-th action fails, the
 * connections break at the k-th event, ..., for k = 1, 2, 3, ... until a schedule ends before its k-th; and after
 * each of these, a second one.
 *
 *	sim --schedules N	so many, and no more (the default: 200000)
 *	sim --seconds N		for so long
 *	sim --pairs		early on every pair of faults at every pair of places, for the small configurations
 *	sim --seed S		from this seed on
 *	sim SEED MODE K [MODE K]	one schedule again, told event by event
 */
#include "world.h"

#include "base/bits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_SCHEDULES 200000
#define MAX_SHOWN         10
#define SAMPLE_MAX_K      60 /* where the second fault of a sampled pair is looked for */

struct run {
	uint64_t max_schedules, seconds;
	bool pairs;
	uint64_t first_seed, seed;
	uint64_t nr_schedules, nr_violations, nr_pairs;
	unsigned nr_exhausted; /* configurations of which every pair was tried */
	uint64_t of_mode[NR_MODES];
	uint64_t outcomes[NR_SIDES][4]; /* before the user decides */
	double began;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool is_over(const struct run *run)
{
	if (run->nr_violations >= MAX_SHOWN)
		return true;
	if (run->max_schedules && run->nr_schedules >= run->max_schedules)
		return true;
	return run->seconds && run->nr_schedules % 64 == 0 && now() - run->began >= (double)run->seconds;
}

static void show_plan(const struct plan *plan, const struct config *config)
{
	printf("in \"%s\"%s%s: sim %llu", config->name, config->reconnect ? ", reconnect" : "",
	       config->arbiter ? ", arbiter" : "", (unsigned long long)plan->seed);
	for (unsigned i = 0; i < ARRAY_SIZE(plan->faults) && (!i || plan->faults[i].mode != MODE_NOTHING); i++)
		printf(" %s %llu", mode_name(plan->faults[i].mode), (unsigned long long)plan->faults[i].k);
	putchar('\n');
}

/* How many of the faults found their place. */
static unsigned run_plan(struct run *run, const struct plan *plan, bool trace)
{
	static struct world world;
	static struct config config;
	static uint64_t configured = UINT64_MAX;

	if (plan->seed != configured)
		config_of_seed(plan->seed, &config);
	configured = plan->seed;
	world.config = &config;
	world_init(&world, plan, trace);
	judge_end(&world);
	run->nr_schedules++;
	run->nr_pairs += world.nr_fired == 2;
	run->of_mode[plan->faults[0].mode]++;
	if (plan->faults[1].mode != MODE_NOTHING)
		run->of_mode[plan->faults[1].mode]++;
	run->outcomes[SOURCE][world.ended_as[SOURCE]]++;
	run->outcomes[DESTINATION][world.ended_as[DESTINATION]]++;
	if (world.nr_violations) {
		run->nr_violations++;
		show_plan(plan, &config);
	}
	return world.nr_fired;
}

static void run_alone(struct run *run, uint64_t seed)
{
	struct plan plan = { .seed = seed };

	run_plan(run, &plan, false);
	for (enum mode mode = MODE_NOTHING + 1; mode < NR_MODES; mode++) {
		plan.faults[0] = (struct fault){ mode, 1 };
		while (!is_over(run) && run_plan(run, &plan, false))
			plan.faults[0].k++;
	}
}

/* Every second fault, at every place after the first: or, sampled, at one place each. */
static bool run_seconds(struct run *run, struct plan *plan, bool all, struct rng *rng)
{
	bool first_fired = false;

	for (enum mode mode = MODE_NOTHING + 1; mode < NR_MODES && !is_over(run); mode++) {
		unsigned fired;

		plan->faults[1] = (struct fault){ mode, all ? 1 : rng_between(rng, 1, SAMPLE_MAX_K) };
		do {
			fired = run_plan(run, plan, false);
			plan->faults[1].k++;
			first_fired |= fired > 0;
		} while (all && fired == 2 && !is_over(run));
	}
	return first_fired;
}

static void run_pairs(struct run *run, uint64_t seed, bool all)
{
	struct plan plan = { .seed = seed };
	struct rng rng = { .state = ~seed };

	for (enum mode mode = MODE_NOTHING + 1; mode < NR_MODES; mode++) {
		plan.faults[0] = (struct fault){ mode, 1 };
		while (!is_over(run) && run_seconds(run, &plan, all, &rng))
			plan.faults[0].k++;
	}
}

static void show(const struct run *run)
{
	static const char *const names[] = { "none", "completed", "rolled back", "owner unknown" };
	double seconds = now() - run->began;

	for (enum mode mode = MODE_NOTHING; mode < NR_MODES; mode++)
		printf("%-20s %10llu\n", mode_name(mode), (unsigned long long)run->of_mode[mode]);
	for (enum gw_outcome outcome = GW_OUTCOME_NONE; outcome <= GW_OWNER_UNKNOWN; outcome++)
		printf("%-14s source %10llu  destination %10llu\n", names[outcome],
		       (unsigned long long)run->outcomes[SOURCE][outcome],
		       (unsigned long long)run->outcomes[DESTINATION][outcome]);
	printf("seeds %llu to %llu; %llu schedules with two faults; every pair of them in %u configurations\n",
	       (unsigned long long)run->first_seed, (unsigned long long)run->seed, (unsigned long long)run->nr_pairs,
	       run->nr_exhausted);
	printf("%.0f s, %.0f schedules/s\n", seconds, (double)run->nr_schedules / (seconds > 0 ? seconds : 1));
	printf("%llu schedules, %llu violations\n", (unsigned long long)run->nr_schedules,
	       (unsigned long long)run->nr_violations);
}

/* One seed of each configuration: each fault alone at every place, then each pair at sampled places. */
static void run_sweep(struct run *run)
{
	uint64_t first = run->seed;

	for (; run->seed < first + config_nr() && !is_over(run); run->seed++)
		run_alone(run, run->seed);
	for (uint64_t seed = first; seed < first + config_nr() && !is_over(run); seed++)
		run_pairs(run, seed, false);
}

static void run_every_pair(struct run *run)
{
	for (uint64_t seed = 0; seed < config_nr() && !is_over(run); seed++) {
		if (!config_is_small(seed))
			continue;
		run_pairs(run, seed, true);
		run->nr_exhausted += !is_over(run);
	}
}

static int run_all(struct run *run)
{
	run->began = now();
	run->seed = run->first_seed;
	run_sweep(run);
	if (run->pairs)
		run_every_pair(run);
	while (!is_over(run))
		run_sweep(run);
	show(run);
	return run->nr_violations || !run->nr_schedules;
}

static bool read_fault(char **argv, struct fault *fault)
{
	for (enum mode mode = MODE_NOTHING; mode < NR_MODES; mode++)
		if (!strcmp(argv[0], mode_name(mode))) {
			*fault = (struct fault){ mode, strtoull(argv[1], NULL, 0) };
			return true;
		}
	fprintf(stderr, "sim: no mode \"%s\"\n", argv[0]);
	return false;
}

static int replay(struct run *run, int argc, char **argv)
{
	struct plan plan = { .seed = strtoull(argv[0], NULL, 0) };

	if (!read_fault(argv + 1, &plan.faults[0]) || (argc == 5 && !read_fault(argv + 3, &plan.faults[1])))
		return 2;
	run_plan(run, &plan, true);
	printf("%llu violations\n", (unsigned long long)run->nr_violations);
	return run->nr_violations != 0;
}

static int usage(void)
{
	fprintf(stderr, "usage: sim [--schedules N | --seconds N] [--pairs] [--seed S] | sim SEED MODE K [MODE K]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct run run = { 0 };
	int i;

	for (i = 1; i < argc && !strncmp(argv[i], "--", 2); i++) {
		uint64_t n = i + 1 < argc ? strtoull(argv[i + 1], NULL, 0) : 0;

		if (!strcmp(argv[i], "--pairs"))
			run.pairs = true;
		else if (!strcmp(argv[i], "--schedules") && n && ++i)
			run.max_schedules = n;
		else if (!strcmp(argv[i], "--seconds") && n && ++i)
			run.seconds = n;
		else if (!strcmp(argv[i], "--seed") && ++i < argc)
			run.first_seed = n;
		else
			return usage();
	}
	if (i < argc)
		return argc - i == 3 || argc - i == 5 ? replay(&run, argc - i, argv + i) : usage();
	if (!run.max_schedules && !run.seconds)
		run.max_schedules = DEFAULT_SCHEDULES;
	return run_all(&run);
}
