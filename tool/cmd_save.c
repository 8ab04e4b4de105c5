/* SPDX-License-Identifier: BSD-3-Clause */
/* "godwit save": a device's state into a file. The format and the rules are the library's, <godwit/image.h>. */
#include "command.h"
#include "device_access.h"
#include "json.h"
#include "say.h"
#include "tool/image/image_file.h"
#include "tool/image/image_live.h"
#include "tool/image/image_report.h"
#include "units.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

struct save_args {
	struct device_access access;
	uint64_t rounds;
	uint32_t precopy, json;
};

#define FIELD(field) .offset = offsetof(struct save_args, field)

static const struct option options[] = {
	{ .name = "precopy",
	  .kind = OPTION_FLAG,
	  FIELD(precopy),
	  .help = "read what can be read while the device runs" },
	{ .name = "rounds",
	  .kind = OPTION_COUNT,
	  FIELD(rounds),
	  .value = "N",
	  .standard = "8",
	  .min = 1,
	  .max = 1000000,
	  .help = "of pre-copy, at most; one reads what was written in the one before" },
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "print the summary as JSON" },
	DEVICE_ACCESS_OPTIONS(struct save_args, access),
	{ .name = NULL },
};

/* What can be known before the device is stopped is asked before. */
static int check_room(const struct image_file *file, struct gw_device *dev, struct gw_error *e)
{
	uint64_t room = image_file_room(file), bytes;

	if (gw_device_stop_size(dev, &bytes, NULL))
		return 0;
	if (bytes > room)
		return gw_error_set(
			e, -ENOSPC, "",
			"%s: the device tells of %s of state, and there is room for %s (it was not stopped)",
			file->path, units_size(bytes).s, units_size(room).s);
	if (isatty(STDERR_FILENO) && room != UINT64_MAX)
		fprintf(stderr, "  %s of state expected, room for %s\n", units_size(bytes).s, units_size(room).s);
	return 0;
}

static int save(const struct save_args *args, struct gw_device *dev, struct image_file *file,
		struct gw_image_result *result, struct gw_error *e)
{
	struct image_live live;
	struct gw_image_options how = {
		.size = sizeof(how),
		.flags = args->precopy ? GW_IMAGE_PRECOPY : 0,
		.progress = image_live_progress,
		.ctx = &live,
		.precopy_rounds = args->rounds,
	};
	int ret = check_room(file, dev, e);

	if (!ret)
		ret = image_live_begin(&live, 0, e);
	if (ret)
		return ret;
	ret = gw_image_save(dev, file->fd, &how, result, e);
	image_live_end(&live);
	/* Whole is whole: if the device has lost its state this is all there is of it. */
	if (result->whole && image_file_keep(file, e)) {
		result->whole = 0;
		ret = ret ? ret : -EIO;
	}
	return ret;
}

/* Where the image went to stdout the summary cannot. */
static void show(const struct save_args *args, const json_t *report, const char *path, int ret)
{
	FILE *out = strcmp(path, "-") ? stdout : stderr;

	if (args->json) {
		json_dumpf(report, out, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
		fputc('\n', out);
	} else if (!ret) {
		image_report_show_saved(out, report);
	}
}

static int open_and_save(struct save_args *args, const char *uri, struct image_file *file, struct gw_error *e)
{
	struct gw_image_result result = { .size = sizeof(result) };
	struct gw_device *dev;
	json_t *report;
	int ret = device_access_open(&args->access, &dev, "device", uri, 0, e);

	if (ret)
		return ret;
	gw_device_state_get(dev, &result.state, NULL);
	ret = save(args, dev, file, &result, e);
	gw_device_close(dev);
	image_report_name_file(e, file->path);
	report = image_report_json(uri, file->path, &result, ret, e);
	show(args, report, file->path, ret);
	json_decref(report);
	return ret;
}

static int save_to(struct save_args *args, const char *uri, const char *path, struct gw_error *e)
{
	struct image_file file;
	int ret = image_file_open(&file, path, e), ended;

	if (!ret)
		ret = device_access_begin(&args->access, e);
	if (!ret)
		ret = open_and_save(args, uri, &file, e);
	image_file_close(&file);
	ended = device_access_end(&args->access, e);
	return ret ? ret : ended;
}

static int run(const void *data, const struct words *words)
{
	struct save_args args = *(const struct save_args *)data;
	struct gw_error e = GW_ERROR_NONE;
	int ret;

	if (words->nr < 2) {
		say("save: FILE is missing (try \"godwit save --help\")");
		return EXIT_WRONG_USAGE;
	}
	signal(SIGXFSZ, SIG_IGN); /* a file that grows too large is an error that can be told */
	ret = save_to(&args, words->items[0], words->items[1], &e);
	if (ret)
		say_error(&e);
	return ret ? EXIT_FAILED : EXIT_DONE;
}

const struct command cmd_save = {
	.name = "save",
	.summary = "save a device's state to a file",
	.synopsis = "[OPTION...] DEVICE FILE",
	.description = "Saves the migration state of a VFIO device to FILE (\"-\": stdout, for a pipe). The device is "
		       "left as it "
		       "was found,\n"
		       "RUNNING; it is stopped while its state is read, with --precopy only for what is left then. "
		       "FILE appears "
		       "when it is\n"
		       "whole. The device must not be in use. URIs of DEVICE: \"godwit probe --help\".\n",
	.example = "  godwit save --precopy vfio-user:/run/dev0.sock dev0.gwi\n"
		   "  godwit save vfio:0000:3b:00.2 - | ssh host2 godwit load vfio:0000:5e:00.2 -\n",
	.options = options,
	.word = "DEVICE",
	.max_words = 2,
	.args_bytes = sizeof(struct save_args),
	.run = run,
};
