/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit inspect": what is in a file. The reading is the library's, <godwit/inspect.h>; here it is shown, and a
 * device's state put into a file of its own.
 */
#include "command.h"
#include "json.h"
#include "say.h"
#include "tool/image/image_file.h"
#include "tool/image/image_live.h"
#include "tool/image/image_report.h"
#include "tool/image/inspect_json.h"
#include "tool/image/inspect_view.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

struct inspect_args {
	const char *extract, *output;
	uint32_t json;
};

#define FIELD(field) .offset = offsetof(struct inspect_args, field)

static const struct option options[] = {
	{ .name = "extract",
	  .kind = OPTION_TEXT,
	  FIELD(extract),
	  .value = "DEVICE",
	  .help = "take the state of this device out of a QEMU stream" },
	{ .name = "output",
	  .kind = OPTION_TEXT,
	  FIELD(output),
	  .value = "OUT",
	  .help = "with --extract: the file for it, \"-\": stdout, and nothing is shown there" },
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "print one JSON document" },
	{ .name = NULL },
};

static int open_input(struct gw_inspect_input *input, const char *name, struct gw_error *e)
{
	input->name = name;
	input->fd = strcmp(name, "-") ? open(name, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	return input->fd < 0 ? gw_error_set(e, -errno, "", "%s: cannot be opened: %s", name, strerror(errno)) : 0;
}

static void close_inputs(struct gw_inspect_input *inputs, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++)
		if (inputs[i].fd > STDIN_FILENO)
			close(inputs[i].fd);
}

/* OUT appears when it is whole. */
static int extract(const struct inspect_args *args, const struct gw_inspection *inspection,
		   const struct gw_image_options *how, json_t *json, struct gw_error *e)
{
	struct gw_image_totals totals = { 0 };
	struct image_file file;
	int ret = image_file_open(&file, args->output, e);

	if (!ret)
		ret = gw_inspect_extract(inspection, args->extract, file.fd, how, &totals, e);
	if (!ret)
		ret = image_file_keep(&file, e);
	image_file_close(&file);
	if (!ret)
		json_object_set_new(json, "extracted",
				    json_pack("{s:s, s:s, s:o}", "device", args->extract, "file", args->output,
					      "totals", image_totals_json(&totals)));
	return ret;
}

static void show(const struct inspect_args *args, const json_t *json)
{
	if (args->output && !strcmp(args->output, "-"))
		return;
	if (args->json)
		json_print(json);
	else
		inspect_view_show(stdout, json);
}

/* What is wrong with the files, a sentence each. */
static int say_troubles(const struct gw_inspection *inspection)
{
	int code = EXIT_DONE;

	for (const struct gw_inspected_file *file = inspection->files; file; file = file->next) {
		if (!file->trouble.code)
			continue;
		say_error(&file->trouble);
		if (code != EXIT_ANSWER_IS_NO)
			code = file->trouble.code == -EPROTONOSUPPORT ? EXIT_FAILED : EXIT_ANSWER_IS_NO;
	}
	return code;
}

/* Reading takes as long as the files are; *json is what was in them, whatever came of the extraction. */
static int read_and_extract(const struct inspect_args *args, const struct gw_inspect_input *inputs, uint32_t nr,
			    const struct gw_inspection **inspection, json_t **json, struct gw_error *e)
{
	struct image_live live;
	struct gw_image_options how = { .size = sizeof(how), .progress = image_live_progress, .ctx = &live };
	int ret = image_live_begin(&live, 0, e);

	if (ret)
		return ret;
	ret = gw_inspect_read(inspection, inputs, nr, &how, e);
	if (!ret) {
		*json = inspect_json(*inspection);
		if (args->extract)
			ret = extract(args, *inspection, &how, *json, e);
	}
	image_live_end(&live);
	return ret;
}

static int inspect(const struct inspect_args *args, const struct gw_inspect_input *inputs, uint32_t nr,
		   struct gw_error *e)
{
	const struct gw_inspection *inspection = NULL;
	json_t *json = NULL;
	int ret = read_and_extract(args, inputs, nr, &inspection, &json, e), code = EXIT_FAILED;

	if (inspection) {
		show(args, json);
		code = say_troubles(inspection);
	}
	if (ret) /* a device that is not all there is an answer, too */
		code = ret == -EBADMSG ? EXIT_ANSWER_IS_NO : EXIT_FAILED;
	json_decref(json);
	gw_inspection_free(inspection);
	return code;
}

static int run(const void *data, const struct words *words)
{
	const struct inspect_args *args = data;
	struct gw_inspect_input inputs[WORDS_MAX] = { 0 };
	struct gw_error e = GW_ERROR_NONE;
	int code = EXIT_FAILED;
	uint32_t nr = 0;

	if (!args->extract != !args->output) {
		say("inspect: --extract and --output belong together (try \"godwit inspect --help\")");
		return EXIT_WRONG_USAGE;
	}
	signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error that can be told */
	while (nr < words->nr && !open_input(&inputs[nr], words->items[nr], &e))
		nr++;
	if (nr == words->nr)
		code = inspect(args, inputs, nr, &e);
	if (e.code)
		say_error(&e);
	close_inputs(inputs, nr);
	return code;
}

const struct command cmd_inspect = {
	.name = "inspect",
	.summary = "show what is in a saved state or a migration stream",
	.synopsis = "[OPTION...] FILE...\n--extract DEVICE --output OUT FILE...",
	.description =
		"Shows what is in a saved device state, a recorded channel of a godwit migration, or a QEMU "
		"migration\n"
		"stream, and whether it is whole. FILE may be \"-\" for stdin. Several files are channels of one\n"
		"migration: the control channel of godwit's or the main channel of QEMU's first, then the data or\n"
		"multifd channels. --extract takes a VFIO device's state out of a QEMU stream, for \"godwit load\".\n"
		"Exit code 5: damaged, cut short, or the device's state is not all there.\n",
	.example = "  godwit inspect dev0.gwi\n"
		   "  godwit inspect --json vm.qemu | jq .qemu.ram\n"
		   "  godwit inspect --extract 0000:00:05.0 --output dev0.gwi vm.qemu\n",
	.options = options,
	.word = "FILE",
	.max_words = WORDS_MAX,
	.args_bytes = sizeof(struct inspect_args),
	.run = run,
};
