/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit check": the conformance suite on devices. Rules and how they are tried are in tool/check/; here are the
 * options, the devices that are opened for them, and the form in which the outcome is told.
 */
#include "command.h"
#include "device_access.h"
#include "json.h"
#include "say.h"
#include "stop_signals.h"
#include "style.h"
#include "tool/check/check_json.h"
#include "tool/check/junit.h"
#include "tool/check/tap.h"
#include "tool/check/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct check_args {
	struct device_access access;
	struct text_list only, also;
	const char *junit, *known;
	uint64_t repeat, slow_ns;
	uint32_t json, list, dangerous, plain;
};

#define FIELD(field) .offset = offsetof(struct check_args, field)

static const struct option options[] = {
	{ .name = "only",
	  .kind = OPTION_LIST,
	  FIELD(only),
	  .value = "PATTERN",
	  .help = "only rules like this (\"arc.*\"); may be given several times" },
	{ .name = "known",
	  .kind = OPTION_TEXT,
	  FIELD(known),
	  .value = "FILE",
	  .help = "rules that are known to fail, a line \"RULE  # why\" each" },
	{ .name = "repeat",
	  .kind = OPTION_COUNT,
	  FIELD(repeat),
	  .value = "N",
	  .standard = "1",
	  .min = 1,
	  .max = 1000000,
	  .help = "try every rule N times" },
	{ .name = "also",
	  .kind = OPTION_LIST,
	  FIELD(also),
	  .value = "URI",
	  .help = "another device, at the same time; may be given several times" },
	{ .name = "list", .kind = OPTION_FLAG, FIELD(list), .help = "only list the rules, of a device or of all" },
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "print one JSON document" },
	{ .name = "junit",
	  .kind = OPTION_TEXT,
	  FIELD(junit),
	  .value = "FILE",
	  .help = "write the outcome as JUnit XML, too" },
	{ .name = "slow",
	  .kind = OPTION_DURATION,
	  FIELD(slow_ns),
	  .value = "TIME",
	  .standard = "60s",
	  .min = 1000000,
	  .help = "say which rule is under way when it takes longer" },
	{ .name = "plain",
	  .kind = OPTION_FLAG,
	  FIELD(plain),
	  .help = "vfio-user: do not offer godwit's extension of the protocol" },
	{ .name = "dangerous",
	  .kind = OPTION_FLAG,
	  FIELD(dangerous),
	  .help = "also ask for what hangs kernels before 6.12.117" },
	DEVICE_ACCESS_OPTIONS(struct check_args, access),
	{ .name = NULL },
};

/* All that one run of the command owns. */
struct check {
	struct check_args args; /* a copy: the devices need its access writable */
	struct rule_list all;
	struct known known;
	struct job jobs[TEXT_LIST_MAX + 1];
	unsigned nr_jobs;
	struct watch watch;
};

/* A pattern that no rule has is a mistake that would go unseen. */
static int check_patterns(const struct check *check)
{
	for (unsigned i = 0; i < check->args.only.nr; i++) {
		const char *pattern = check->args.only.items[i];
		unsigned r = 0;

		while (r < check->all.nr && !rule_is_wanted(&check->all.items[r], &pattern, 1))
			r++;
		if (r < check->all.nr)
			continue;
		say("check: no rule is like \"%s\" (godwit check --list)", pattern);
		return EXIT_WRONG_USAGE;
	}
	return EXIT_DONE;
}

static int read_known(struct check *check)
{
	struct gw_error e = GW_ERROR_NONE;
	int ret = check->args.known ? known_read(&check->known, check->args.known, &check->all, &e) : 0;

	if (!ret)
		return EXIT_DONE;
	say_error(&e);
	return ret == -EINVAL ? EXIT_WRONG_USAGE : EXIT_FAILED;
}

static int list_rules(const struct check *check, const struct rule_list *from)
{
	struct rule_list list = { 0 };

	for (unsigned i = 0; i < from->nr; i++)
		if (rule_is_wanted(&from->items[i], check->args.only.items, check->args.only.nr))
			rule_add(&list, &from->items[i]);
	if (check->args.json) {
		json_t *document = check_json_rules(&list);

		json_print(document);
		json_decref(document);
	}
	for (unsigned i = 0; i < list.nr && !check->args.json; i++)
		printf("%s\n    %s\n    %s\n", list.items[i].name, list.items[i].text, list.items[i].source);
	rule_list_free(&list);
	return EXIT_DONE;
}

static void side_init(struct job_side *side, struct check *check, const char *name, unsigned number, const char *uri)
{
	side->access = &check->args.access;
	side->uri = uri;
	side->flags = check->args.plain ? GW_OPEN_PLAIN : 0;
	snprintf(side->id, sizeof(side->id), number ? "%s%u" : "%s", name, number + 1);
}

/* The second word is the peer of the first device; each that is there also is its own. */
static void job_init(struct check *check, const char *uri, const char *peer)
{
	unsigned number = check->nr_jobs++;
	struct job *job = &check->jobs[number];

	job->run.only = check->args.only.items;
	job->run.nr_only = check->args.only.nr;
	job->run.repeat = (unsigned)check->args.repeat;
	job->run.dangerous = check->args.dangerous;
	job->run.stop_fd = check->watch.stop_fd;
	job->wake_fd = check->watch.wake_fd;
	job->known = &check->known;
	side_init(&job->device, check, "device", number, uri);
	side_init(&job->peer, check, "peer", number, peer);
}

static int open_all(struct check *check, const struct words *words, struct gw_error *e)
{
	int ret = device_access_begin(&check->args.access, e);

	check->watch.signals_fd = ret ? -1 : stop_signals_open(e);
	if (check->watch.signals_fd < 0)
		return ret ? ret : check->watch.signals_fd;
	check->watch.stop_fd = eventfd(0, EFD_CLOEXEC);
	check->watch.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (check->watch.stop_fd < 0 || check->watch.wake_fd < 0)
		return gw_error_set(e, -errno, "", "cannot make an eventfd: %s", strerror(errno));
	job_init(check, words->items[0], words->nr > 1 ? words->items[1] : NULL);
	for (unsigned i = 0; i < check->args.also.nr; i++)
		job_init(check, check->args.also.items[i], NULL);
	for (unsigned i = 0; i < check->nr_jobs && !ret; i++)
		ret = job_open(&check->jobs[i], e);
	return ret;
}

/* Those that were started stop when one cannot be. */
static int start_all(struct check *check, struct gw_error *e)
{
	uint64_t one = 1;
	int ret = 0;

	for (unsigned i = 0; i < check->nr_jobs && !ret; i++)
		ret = job_start(&check->jobs[i], e);
	if (!ret)
		return 0;
	(void)!write(check->watch.stop_fd, &one, sizeof(one));
	for (unsigned i = 0; i < check->nr_jobs; i++)
		job_join(&check->jobs[i]);
	return ret;
}

static int exit_code(struct check *check)
{
	int code = EXIT_DONE;

	for (unsigned i = 0; i < check->nr_jobs; i++) {
		struct job_count count = job_count(&check->jobs[i]);

		if (check->jobs[i].run.stopped)
			return EXIT_FAILED;
		if (count.nr[JUDGED_FAILED] || count.nr[JUDGED_PASSES_NOW])
			code = EXIT_ANSWER_IS_NO;
	}
	return code;
}

static void tell_all(struct check *check)
{
	json_t *report;

	if (!check->args.json) {
		tap_end(stdout, check->jobs, check->nr_jobs);
		return;
	}
	report = check_json_report(check->jobs, check->nr_jobs);
	json_print(report);
	json_decref(report);
}

static int run_all(struct check *check, struct gw_error *e)
{
	bool on_terminal = style_of(stdout).terminal && !check->args.json;
	const char *path = check->args.junit;
	FILE *junit = NULL;
	int ret = path ? junit_open(path, &junit, e) : 0;

	if (ret)
		return ret;
	check->watch.jobs = check->jobs;
	check->watch.nr_jobs = check->nr_jobs;
	check->watch.slow_ns = check->args.slow_ns;
	check->watch.tap = check->args.json ? NULL : stdout;
	check->watch.shows_progress = style_of(stderr).terminal && !on_terminal;
	if (check->watch.tap)
		tap_begin(check->watch.tap, check->jobs, check->nr_jobs);
	ret = start_all(check, e);
	if (!ret) {
		watch_jobs(&check->watch);
		tell_all(check);
	}
	if (junit) {
		int written = junit_write(junit, path, check->jobs, check->nr_jobs, e);

		ret = ret ? ret : written;
	}
	return ret ? ret : exit_code(check);
}

static int check_devices(struct check *check, const struct words *words)
{
	struct gw_error e = GW_ERROR_NONE;
	int ret = open_all(check, words, &e), ended;

	if (!ret)
		ret = check->args.list ? list_rules(check, &check->jobs[0].run.rules) : run_all(check, &e);
	for (unsigned i = 0; i < check->nr_jobs; i++)
		job_close(&check->jobs[i]);
	ended = device_access_end(&check->args.access, &e);
	if (ret < 0 || ended)
		say_error(&e);
	return ret < 0 || ended ? EXIT_FAILED : ret;
}

static int check_run(struct check *check, const struct words *words)
{
	int code;

	rule_list_fill_all(&check->all);
	code = check_patterns(check);
	if (code == EXIT_DONE)
		code = read_known(check);
	if (code != EXIT_DONE)
		return code;
	if (words->nr)
		return check_devices(check, words);
	if (check->args.list)
		return list_rules(check, &check->all);
	say("check: DEVICE is missing (try \"godwit check --help\")");
	return EXIT_WRONG_USAGE;
}

static int run(const void *data, const struct words *words)
{
	struct check *check = calloc(1, sizeof(*check));
	int code;

	if (!check) {
		say("out of memory");
		return EXIT_FAILED;
	}
	check->args = *(const struct check_args *)data;
	code = check_run(check, words);
	rule_list_free(&check->all);
	known_free(&check->known);
	free(check);
	return code;
}

const struct command cmd_check = {
	.name = "check",
	.summary = "hold a device to the rules of the migration uAPI",
	.synopsis = "[OPTION...] DEVICE [PEER]\n--list [OPTION...] [DEVICE]",
	.description =
		"Tries rule after rule on a device that nobody else uses, and tells of each whether it holds: TAP on "
		"stdout. What\n"
		"fails comes with the sentence that the device is held to, what was done, what came back and what was "
		"due.\n"
		"The device is moved through all its states, reset, closed and opened, and loaded with its own state; "
		"with a\n"
		"PEER that takes it. It is in RUNNING afterwards. Exit code 5: a rule is broken, or one of --known "
		"passes.\n",
	.example = "  godwit check vfio-user:/run/dev0.sock\n"
		   "  godwit check --known known.txt --junit check.xml vfio:0000:3b:00.2\n"
		   "  godwit check --list --only 'reset.*'\n",
	.options = options,
	.max_words = 2,
	.args_bytes = sizeof(struct check_args),
	.run = run,
};
