/* SPDX-License-Identifier: BSD-3-Clause */
/* The kinds of migrations that are tried. */
#include "config.h"

#include "base/bits.h"
#include "base/clock.h"
#include "rng.h"

/* The first is small: few events, so that all pairs of faults can be tried on it. */
static const struct config kinds[] = {
	{ .name = "no device", .writes_per_s = 100, .action_max_ns = 5 * NS_PER_MS },
	{ .name = "one device",
	  .nr_devices = 1,
	  .writes_per_s = 100,
	  .action_max_ns = 5 * NS_PER_MS,
	  .arc_ns = 2 * NS_PER_MS,
	  .initial_rounds = 3 },
	{ .name = "re-arming device",
	  .nr_devices = 1,
	  .writes_per_s = 60,
	  .action_max_ns = 20 * NS_PER_MS,
	  .arc_ns = 2 * NS_PER_MS,
	  .initial_rounds = 2,
	  .nr_rearms = 2 },
	{ .name = "three devices",
	  .nr_devices = 3,
	  .writes_per_s = 60,
	  .action_max_ns = 30 * NS_PER_MS,
	  .arc_ns = 10 * NS_PER_MS,
	  .initial_rounds = 5,
	  .nr_rearms = 6 },
	{ .name = "slow load",
	  .nr_devices = 2,
	  .writes_per_s = 15,
	  .action_max_ns = 100 * NS_PER_MS,
	  .arc_ns = 20 * NS_PER_MS,
	  .load_ns = 3 * NS_PER_S,
	  .initial_rounds = 2 },
	{ .name = "slow start",
	  .nr_devices = 1,
	  .writes_per_s = 50,
	  .action_max_ns = 20 * NS_PER_MS,
	  .arc_ns = 5 * NS_PER_MS,
	  .run_ns = 3 * NS_PER_S },
	{ .name = "slow transitions",
	  .nr_devices = 2,
	  .writes_per_s = 50,
	  .action_max_ns = 10 * NS_PER_MS,
	  .arc_ns = 200 * NS_PER_MS,
	  .fails = true },
	{ .name = "busy guest",
	  .writes_per_s = 20000,
	  .action_max_ns = 10 * NS_PER_MS,
	  .max_rounds = 4,
	  .fails = true },
	{ .name = "busy guest, throttled",
	  .writes_per_s = 700,
	  .action_max_ns = 10 * NS_PER_MS,
	  .no_converge = NO_CONVERGE_THROTTLE },
	{ .name = "busy guest, cancelled",
	  .nr_devices = 1,
	  .writes_per_s = 20000,
	  .action_max_ns = 10 * NS_PER_MS,
	  .no_converge = NO_CONVERGE_CANCEL,
	  .fails = true },
	{ .name = "dry run", .writes_per_s = 100, .action_max_ns = 5 * NS_PER_MS, .dry_run = DRY_RUN_MANIFEST },
	{ .name = "rehearsal",
	  .nr_devices = 2,
	  .writes_per_s = 100,
	  .action_max_ns = 5 * NS_PER_MS,
	  .arc_ns = 2 * NS_PER_MS,
	  .dry_run = DRY_RUN_REHEARSAL },
};

unsigned config_nr(void)
{
	return ARRAY_SIZE(kinds) * NR_CONFIGS_OF_A_KIND;
}

void config_of_seed(uint64_t seed, struct config *config)
{
	uint64_t options = seed / ARRAY_SIZE(kinds);
	struct rng rng = { .state = seed };
	uint32_t devices;

	*config = kinds[seed % ARRAY_SIZE(kinds)];
	devices = (1u << config->nr_devices) - 1;
	config->reconnect = options & 1;
	config->arbiter = options & 2;
	config->p2p = rng_next(&rng) & devices;
	config->precopy = rng_next(&rng) & devices;
	if (config->nr_rearms)
		config->precopy |= 1; /* only such a device can want more */
}

bool config_is_small(uint64_t seed)
{
	return seed % ARRAY_SIZE(kinds) == 0;
}
