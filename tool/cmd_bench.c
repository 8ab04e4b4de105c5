/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit bench": how fast a device is at what a migration asks of it; and with --diff, whether it got slower. What is
 * measured and how: tool/bench/.
 */
#include "command.h"
#include "json.h"
#include "say.h"
#include "stop_signals.h"
#include "tool/bench/bench.h"
#include "tool/bench/bench_view.h"
#include "tool/bench/diff.h"
#include "tool/bench/uris.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bench_args {
	struct text_list also;
	uint64_t rounds, max_state_bytes;
	uint32_t diff, json;
	const char *threshold;
	struct device_access access;
};

#define FIELD(field) .offset = offsetof(struct bench_args, field)

static const struct option options[] = {
	{ .name = "also",
	  .kind = OPTION_LIST,
	  FIELD(also),
	  .value = "URI",
	  .help = "measure DEVICE together with this one as well; may be given several times" },
	{ .name = "rounds",
	  .kind = OPTION_COUNT,
	  FIELD(rounds),
	  .value = "N",
	  .max = 10000,
	  .help = "measure everything N times (default: for 5 s, and 10 times at least)" },
	{ .name = "max-state",
	  .kind = OPTION_SIZE,
	  FIELD(max_state_bytes),
	  .value = "SIZE",
	  .standard = "16G",
	  .min = 4096,
	  .max = 1ull << 50,
	  .help = "give up on a device whose state is larger" },
	{ .name = "diff", .kind = OPTION_FLAG, FIELD(diff), .help = "compare two documents that --json has printed" },
	{ .name = "threshold",
	  .kind = OPTION_TEXT,
	  FIELD(threshold),
	  .value = "PERCENT",
	  .standard = "10%",
	  .help = "with --diff: what a median may change by" },
	DEVICE_ACCESS_OPTIONS(struct bench_args, access),
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "print one JSON document, with every sample" },
	{ .name = NULL },
};

static int wrong(const char *what, const char *which)
{
	say("bench: %s%s (try \"godwit bench --help\")", what, which);
	return EXIT_WRONG_USAGE;
}

static int measure(struct bench_args *args, const struct words *words)
{
	struct bench_options bench = {
		.device = words->items[0],
		.peer = words->nr > 1 ? words->items[1] : NULL,
		.also = args->also,
		.rounds = args->rounds,
		.max_state_bytes = args->max_state_bytes,
	};
	struct style style = style_of(stdout);
	struct gw_error e = GW_ERROR_NONE;
	json_t *document = NULL;
	int stop_fd = stop_signals_open(&e), ret = stop_fd < 0 ? stop_fd : 0, end;

	if (!ret)
		ret = device_access_begin(&args->access, &e);
	if (!ret)
		ret = bench_run(&document, &bench, &args->access, stop_fd, &e);
	end = device_access_end(&args->access, &e);
	if (ret || end)
		say_error(&e);
	else if (args->json)
		json_print(document);
	else
		bench_view_show(stdout, &style, document);
	json_decref(document);
	return ret || end ? EXIT_FAILED : EXIT_DONE;
}

static json_t *read_document(const char *path)
{
	json_error_t why;
	json_t *document = json_load_file(path, JSON_REJECT_DUPLICATES, &why);

	if (!document && json_error_code(&why) == json_error_cannot_open_file)
		say("%s: %s", path, why.text);
	else if (!document)
		say("%s: this is no JSON document: %s (line %d)", path, why.text, why.line);
	return document;
}

static int compare(const struct bench_args *args, const struct words *words, double threshold)
{
	json_t *a = read_document(words->items[0]), *b = a ? read_document(words->items[1]) : NULL, *diff = NULL;
	struct style style = style_of(stdout);
	struct gw_error e = GW_ERROR_NONE;
	unsigned worse = 0;
	int ret = -EBADMSG;

	if (a && b) {
		ret = diff_documents(&diff, a, b, words->items[0], words->items[1], threshold, &worse, &e);
		if (ret)
			say_error(&e);
	}
	if (!ret && args->json)
		json_print(diff);
	else if (!ret)
		diff_view_show(stdout, &style, diff);
	json_decref(diff);
	json_decref(a);
	json_decref(b);
	if (ret)
		return EXIT_FAILED;
	return worse ? EXIT_ANSWER_IS_NO : EXIT_DONE;
}

/* "10%" or "10". false: it is neither. */
static bool parse_percent(const char *text, double *part)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	*part = strtod(text, &end) / 100;
	if (*end == '%')
		end++;
	return !*end && *part <= 1e6;
}

static int run(const void *data, const struct words *words)
{
	struct bench_args args = *(const struct bench_args *)data;
	double threshold;

	if (!parse_percent(args.threshold, &threshold))
		return wrong("--threshold takes a percentage such as 10%", "");
	if (!args.diff && args.also.nr > CREW_MAX - 1)
		return wrong("that is too many devices at once", "");
	if (!args.diff && uris_twice(words, &args.also))
		return wrong("given twice: ", uris_twice(words, &args.also));
	if (!args.diff)
		return measure(&args, words);
	if (words->nr != 2)
		return wrong("--diff takes two files", "");
	if (args.also.nr || args.rounds)
		return wrong("--diff measures nothing: it takes two files and --threshold", "");
	return compare(&args, words, threshold);
}

const struct command cmd_bench = {
	.name = "bench",
	.summary = "measure a device, or compare two measurements",
	.synopsis = "[OPTION...] DEVICE [PEER]\n--diff [--threshold PERCENT] [--json] A.json B.json",
	.description =
		"Measures what a migration asks of a device: every transition, the first byte, reading and loading "
		"its state\nby buffer size, pre-copy and stop-copy. PEER is given the state to load as well. The "
		"device must be idle\nand not in use; it is stopped and reloaded with its own state again and "
		"again, and left in RUNNING.\nExit code 5 with --diff: something got worse by more than the "
		"threshold and the noise.\n",
	.example = "  godwit bench --json vfio:0000:3b:00.2 > before.json\n"
		   "  godwit bench --json vfio:0000:3b:00.2 > after.json\n"
		   "  godwit bench --diff before.json after.json\n",
	.options = options,
	.word = "DEVICE",
	.max_words = 2,
	.args_bytes = sizeof(struct bench_args),
	.run = run,
};
