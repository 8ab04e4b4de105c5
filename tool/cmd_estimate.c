/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit estimate": the downtime to expect of a VM with these devices, before there is a migration. The devices are
 * measured by tool/bench/, the model is the library's.
 */
#include "command.h"
#include "json.h"
#include "say.h"
#include "stop_signals.h"
#include "tool/bench/outlook.h"
#include "tool/bench/outlook_view.h"
#include "tool/bench/uris.h"

#include <godwit/vm.h>

struct estimate_args {
	uint64_t bandwidth, limit_ns, memory_bytes, dirty_rate, round_trip_ns, rounds, max_state_bytes;
	struct text_list peers;
	struct device_access access;
	uint32_t json;
};

#define FIELD(field) .offset = offsetof(struct estimate_args, field)

static const struct option options[] = {
	{ .name = "bandwidth",
	  .kind = OPTION_RATE,
	  .required = 1,
	  FIELD(bandwidth),
	  .value = "RATE",
	  .min = 1,
	  .max = 1ull << 50,
	  .help = "of the link: 25Gbit, or a size a second" },
	{ .name = "limit",
	  .kind = OPTION_DURATION,
	  FIELD(limit_ns),
	  .value = "TIME",
	  .min = 1000,
	  .help = "exit code 5 if the downtime is longer" },
	{ .name = "peer",
	  .kind = OPTION_LIST,
	  FIELD(peers),
	  .value = "URI",
	  .help = "the destination's device for a DEVICE, in the same order, to be measured as well" },
	{ .name = "memory",
	  .kind = OPTION_SIZE,
	  FIELD(memory_bytes),
	  .value = "SIZE",
	  .max = 1ull << 46,
	  .help = "guest RAM (default: RAM is not counted)" },
	{ .name = "dirty-rate",
	  .kind = OPTION_RATE,
	  FIELD(dirty_rate),
	  .value = "RATE",
	  .max = 1ull << 50,
	  .help = "with --memory: what the guest writes to it" },
	{ .name = "round-trip",
	  .kind = OPTION_DURATION,
	  FIELD(round_trip_ns),
	  .value = "TIME",
	  .standard = "0",
	  .max = 60000000000,
	  .help = "a message to the other host and its answer" },
	{ .name = "rounds",
	  .kind = OPTION_COUNT,
	  FIELD(rounds),
	  .value = "N",
	  .max = 10000,
	  .help = "measure N times (default: for 2 s, and 5 times at least)" },
	{ .name = "max-state",
	  .kind = OPTION_SIZE,
	  FIELD(max_state_bytes),
	  .value = "SIZE",
	  .standard = "16G",
	  .min = 4096,
	  .max = 1ull << 50,
	  .help = "give up on a device whose state is larger" },
	DEVICE_ACCESS_OPTIONS(struct estimate_args, access),
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "print one JSON document" },
	{ .name = NULL },
};

static int wrong(const char *what, const char *which)
{
	say("estimate: %s%s (try \"godwit estimate --help\")", what, which);
	return EXIT_WRONG_USAGE;
}

static int estimate(struct estimate_args *args, const struct words *words)
{
	struct outlook_options outlook = {
		.devices = words->items,
		.nr_devices = words->nr,
		.peers = args->peers,
		.bytes_per_s = args->bandwidth,
		.round_trip_ns = args->round_trip_ns,
		.memory_bytes = args->memory_bytes,
		.dirty_bytes_per_s = args->dirty_rate,
		.limit_ns = args->limit_ns,
		.rounds = args->rounds,
		.max_state_bytes = args->max_state_bytes,
	};
	struct style style = style_of(stdout);
	struct gw_error e = GW_ERROR_NONE;
	json_t *document = NULL;
	int stop_fd = stop_signals_open(&e), ret = stop_fd < 0 ? stop_fd : 0, within = 1, end;

	if (!ret)
		ret = device_access_begin(&args->access, &e);
	if (!ret)
		ret = outlook_run(&document, &within, &outlook, &args->access, stop_fd, &e);
	end = device_access_end(&args->access, &e);
	if (ret || end)
		say_error(&e);
	else if (args->json)
		json_print(document);
	else
		outlook_view_show(stdout, &style, document);
	json_decref(document);
	if (ret || end)
		return EXIT_FAILED;
	return within ? EXIT_DONE : EXIT_ANSWER_IS_NO;
}

static int run(const void *data, const struct words *words)
{
	struct estimate_args args = *(const struct estimate_args *)data;

	if (args.peers.nr && args.peers.nr != words->nr)
		return wrong("there has to be one --peer for each DEVICE, or none", "");
	if (args.dirty_rate && !args.memory_bytes)
		return wrong("--dirty-rate is of the RAM that --memory tells the size of", "");
	if (uris_twice(words, &args.peers))
		return wrong("given twice: ", uris_twice(words, &args.peers));
	return estimate(&args, words);
}

const struct command cmd_estimate = {
	.name = "estimate",
	.summary = "the downtime to expect of a VM with these devices",
	.synopsis = "--bandwidth RATE [OPTION...] DEVICE...",
	.description =
		"Measures the devices, all at once as a migration moves them, and says how long a guest with them "
		"would stand\nstill, part by part, by the model that migrations decide with. The devices must be "
		"idle and not in use; they are\nstopped and reloaded with their own state a few times, and left in "
		"RUNNING.\nExit code 5: it would take longer than --limit.\n",
	.example = "  godwit estimate --bandwidth 25Gbit --limit 300ms --memory 64G --dirty-rate 200M \\\n"
		   "      vfio:0000:3b:00.2 vfio:0000:3b:00.3\n",
	.options = options,
	.word = "DEVICE",
	.max_words = WORDS_MAX,
	.args_bytes = sizeof(struct estimate_args),
	.run = run,
};
