/* SPDX-License-Identifier: BSD-3-Clause */
/* "godwit compare": whether the devices of two reports can move, both ways, with the reasons. Opens no device. */
#include "command.h"
#include "json.h"
#include "say.h"
#include "tool/host/host_compare.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <stdlib.h>

struct compare_args {
	struct text_list pairs;
	uint32_t allow_no_p2p, both, json;
};

static const struct option options[] = {
	{ .name = "pair",
	  .kind = OPTION_LIST,
	  .offset = offsetof(struct compare_args, pairs),
	  .value = "ID=ID",
	  .help = "compare only this device of A with this one of B, whatever their ids (repeatable)" },
	{ .name = "both",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct compare_args, both),
	  .help = "the way back counts, too: exit code 5 also if B cannot move to A" },
	{ .name = "allow-no-p2p",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct compare_args, allow_no_p2p),
	  .help = "several devices, one without P2P: as with \"godwit migrate --allow-no-p2p\"" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct compare_args, json),
	  .help = "print one JSON document" },
	{ .name = NULL },
};

/* The pair's device of B gets the id of A's, so that they meet. */
static int choose_pair(struct host_report *a, struct host_report *b, uint32_t at, const char *pair, struct gw_error *e)
{
	char left[GW_DEVICE_ID_BYTES];
	const char *equals = strchr(pair, '=');
	int ret;

	if (!equals || equals == pair || !equals[1] || equals - pair >= (int)sizeof(left))
		return gw_error_set(e, -EINVAL, "--pair", "\"%s\" is not ID=ID: a device of A, and one of B", pair);
	snprintf(left, sizeof(left), "%.*s", (int)(equals - pair), pair);
	ret = host_report_choose(a, at, left, left, e);
	return ret ? ret : host_report_choose(b, at, equals + 1, left, e);
}

static int choose_pairs(struct host_report *a, struct host_report *b, const struct text_list *pairs, struct gw_error *e)
{
	int ret = 0;

	for (unsigned i = 0; i < pairs->nr && !ret; i++)
		ret = choose_pair(a, b, i, pairs->items[i], e);
	if (pairs->nr && !ret)
		a->nr_devices = b->nr_devices = pairs->nr;
	return ret;
}

static json_t *side_json(const struct host_report *report)
{
	json_t *side = json_pack("{s:s, s:s, s:[]}", "host", json_text(report->host, "name"), "kernel",
				 json_text(report->host, "kernel"), "devices");

	json_object_set_new(side, "file", json_string(report->path)); /* left out if its name is no UTF-8 */
	for (uint32_t i = 0; i < report->nr_devices; i++)
		json_array_append_new(json_object_get(side, "devices"),
				      json_pack("{s:s, s:s, s:s}", "id", json_text(report->devices[i], "id"),
						"compared_as", report->facts[i].id, "uri",
						json_text(report->devices[i], "uri")));
	return side;
}

static void show_side(const char *name, const struct host_report *report)
{
	printf("%s  %s: %s, kernel %s\n", name, report->path, json_text(report->host, "name"),
	       json_text(report->host, "kernel"));
	for (uint32_t i = 0; i < report->nr_devices; i++) {
		const struct gw_device_info *info = &report->facts[i].info;
		const char *id = json_text(report->devices[i], "id"), *as = report->facts[i].id;
		bool renamed = strcmp(id, as) != 0;

		printf("   %s%s%s  %04x:%04x  %s%s%s\n", id, renamed ? " as " : "", renamed ? as : "", info->vendor_id,
		       info->device_id, json_text(report->devices[i], "uri"), info->driver[0] ? "  " : "",
		       info->driver);
	}
}

static void show_list(const char *kind, const json_t *list)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *where = json_text(item, "where");

		printf("  %-8s [%s] %s%s%s\n", kind, json_text(item, "code"), where, where[0] ? ": " : "",
		       json_text(item, "what"));
	}
}

static void show_verdict(const char *way, const json_t *verdict)
{
	printf("\n%s: %s\n", way, json_true_at(verdict, "can_move") ? "can move" : "cannot move");
	show_list("blocker", json_object_get(verdict, "blockers"));
	show_list("warning", json_object_get(verdict, "warnings"));
}

static int answer(const struct compare_args *args, const struct host_report *a, const struct host_report *b,
		  struct gw_error *e)
{
	uint32_t flags = args->allow_no_p2p ? GW_ALLOW_NO_P2P : 0;
	json_t *there = host_compare(a, b, flags), *back = host_compare(b, a, flags), *document;
	bool can = json_true_at(there, "can_move") && (!args->both || json_true_at(back, "can_move"));

	if (!there || !back) {
		json_decref(there);
		json_decref(back);
		return gw_error_set(e, -ENOMEM, "", "out of memory");
	}
	document = json_pack("{s:s, s:o, s:o, s:o, s:o}", "godwit", gw_version(), "a", side_json(a), "b", side_json(b),
			     "a_to_b", there, "b_to_a", back);
	if (args->json) {
		json_print(document);
	} else {
		show_side("A", a);
		show_side("B", b);
		show_verdict("A to B", there);
		show_verdict("B to A", back);
	}
	json_decref(document);
	return can ? EXIT_DONE : EXIT_ANSWER_IS_NO;
}

static int run(const void *data, const struct words *words)
{
	const struct compare_args *args = data;
	struct host_report *sides;
	struct gw_error e = GW_ERROR_NONE;
	int ret;

	if (words->nr != 2) {
		say("compare: the second FILE is missing (try \"godwit compare --help\")");
		return EXIT_WRONG_USAGE;
	}
	sides = calloc(2, sizeof(*sides));
	if (!sides) {
		say("out of memory");
		return EXIT_FAILED;
	}
	ret = host_report_read(&sides[0], words->items[0], &e);
	if (!ret)
		ret = host_report_read(&sides[1], words->items[1], &e);
	if (!ret)
		ret = choose_pairs(&sides[0], &sides[1], &args->pairs, &e);
	if (!ret)
		ret = answer(args, &sides[0], &sides[1], &e);
	host_report_close(&sides[0]);
	host_report_close(&sides[1]);
	free(sides);
	if (ret >= 0)
		return ret;
	say_error(&e);
	return EXIT_FAILED;
}

const struct command cmd_compare = {
	.name = "compare",
	.summary = "say from two reports whether devices can move",
	.synopsis = "[OPTION...] A B",
	.description =
		"A and B are what \"godwit report\" wrote on two hosts (\"-\": stdin). Devices are compared by their "
		"ids. Says for\n"
		"both ways what speaks against it (blockers) and what may go wrong (warnings). Exit code 0: A can "
		"move to B;\n"
		"5: it cannot.\n",
	.example = "  ssh hostb godwit report vfio:0000:5e:00.4 | godwit compare hosta.json -\n",
	.options = options,
	.word = "FILE",
	.max_words = 2,
	.args_bytes = sizeof(struct compare_args),
	.run = run,
};
