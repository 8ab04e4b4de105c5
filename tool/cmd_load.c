/* SPDX-License-Identifier: BSD-3-Clause */
/* "godwit load": a device's state out of a file. The format and the rules are the library's, <godwit/image.h>. */
#include "command.h"
#include "device_access.h"
#include "json.h"
#include "say.h"
#include "tool/image/image_file.h"
#include "tool/image/image_live.h"
#include "tool/image/image_report.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct load_args {
	struct device_access access;
	uint64_t max_bytes;
	uint32_t force, json;
};

#define FIELD(field) .offset = offsetof(struct load_args, field)

static const struct option options[] = {
	{ .name = "force",
	  .kind = OPTION_FLAG,
	  FIELD(force),
	  .help = "load an image that is of another model of device; the device may refuse it" },
	{ .name = "max-size",
	  .kind = OPTION_SIZE,
	  FIELD(max_bytes),
	  .value = "SIZE",
	  .standard = "64G",
	  .min = 1,
	  .help = "of an image that comes by a pipe: it is kept in $TMPDIR until it is checked" },
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "print the summary as JSON" },
	DEVICE_ACCESS_OPTIONS(struct load_args, access),
	{ .name = NULL },
};

static int load(const struct load_args *args, struct gw_device *dev, int fd, struct gw_image_result *result,
		struct gw_error *e)
{
	const char *dir = getenv("TMPDIR");
	struct image_live live;
	struct gw_image_options how = {
		.size = sizeof(how),
		.flags = args->force ? GW_IMAGE_FORCE : 0,
		.progress = image_live_progress,
		.ctx = &live,
		.max_bytes = args->max_bytes,
		.spool_dir = dir && dir[0] ? dir : NULL,
	};
	/* What comes by a pipe is being shown by whoever sends it, on the same terminal perhaps. */
	int ret = image_live_begin(&live, fd == STDIN_FILENO ? GW_IMAGE_CHECKING : 0, e);

	if (ret)
		return ret;
	ret = gw_image_load(dev, fd, &how, result, e);
	image_live_end(&live);
	return ret;
}

static void show(const struct load_args *args, const char *uri, const char *path, const struct gw_image_result *result,
		 int ret, const struct gw_error *e)
{
	json_t *report = image_report_json(uri, path, result, ret, e);

	if (args->json)
		json_print(report);
	else if (!ret)
		image_report_show_loaded(stdout, report);
	json_decref(report);
}

/* As found: an image that is refused must not have cost a device its state. */
static int open_and_load(struct load_args *args, const char *uri, const char *path, int fd, struct gw_error *e)
{
	struct gw_image_result result = { .size = sizeof(result) };
	struct gw_device *dev;
	int ret = device_access_open(&args->access, &dev, "device", uri, GW_OPEN_AS_FOUND, e);

	if (ret)
		return ret;
	gw_device_state_get(dev, &result.state, NULL);
	ret = load(args, dev, fd, &result, e);
	gw_device_close(dev);
	image_report_name_file(e, path);
	show(args, uri, path, &result, ret, e);
	return ret;
}

static int load_from(struct load_args *args, const char *uri, const char *path, struct gw_error *e)
{
	int fd = image_file_read(path, e), ret = fd < 0 ? fd : 0, ended;

	if (!ret)
		ret = device_access_begin(&args->access, e);
	if (!ret)
		ret = open_and_load(args, uri, path, fd, e);
	ended = device_access_end(&args->access, e);
	if (fd > STDIN_FILENO)
		close(fd);
	return ret ? ret : ended;
}

static int run(const void *data, const struct words *words)
{
	struct load_args args = *(const struct load_args *)data;
	struct gw_error e = GW_ERROR_NONE;
	int ret;

	if (words->nr < 2) {
		say("load: FILE is missing (try \"godwit load --help\")");
		return EXIT_WRONG_USAGE;
	}
	signal(SIGXFSZ, SIG_IGN); /* of what is kept: an error that can be told */
	ret = load_from(&args, words->items[0], words->items[1], &e);
	if (ret)
		say_error(&e);
	return ret ? EXIT_FAILED : EXIT_DONE;
}

const struct command cmd_load = {
	.name = "load",
	.summary = "load a device's state from a file",
	.synopsis = "[OPTION...] DEVICE FILE",
	.description =
		"Loads what \"godwit save\" wrote to FILE (\"-\": stdin) into a VFIO device and leaves it RUNNING. All "
		"of "
		"FILE is\n"
		"checked first: one that is cut short, altered or of another model of device is refused, and the "
		"device "
		"not touched.\n"
		"After a later failure the device is reset. It must not be in use. URIs of DEVICE: \"godwit probe "
		"--help\".\n",
	.example = "  godwit load vfio-user:/run/dev1.sock dev0.gwi\n"
		   "  ssh host1 godwit save vfio:0000:3b:00.2 - | godwit load vfio:0000:5e:00.2 -\n",
	.options = options,
	.word = "DEVICE",
	.max_words = 2,
	.args_bytes = sizeof(struct load_args),
	.run = run,
};
