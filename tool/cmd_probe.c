/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit probe": what a device can do, as JSON first and that shown for a person. It only asks, except with
 * --enter-precopy, which takes the device into pre-copy and back.
 */
#include "command.h"
#include "device_access.h"
#include "device_json.h"
#include "json.h"
#include "probe_view.h"
#include "say.h"

#include <godwit/device.h>
#include <jansson.h>

struct probe_args {
	struct device_access access;
	uint32_t enter_precopy, json;
};

static const struct option options[] = {
	{ .name = "enter-precopy",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct probe_args, enter_precopy),
	  .help = "go to PRE_COPY and back, to learn the sizes only told there" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct probe_args, json),
	  .help = "print one JSON document" },
	DEVICE_ACCESS_OPTIONS(struct probe_args, access),
	{ .name = NULL },
};

static int probe(struct device_access *access, const char *uri, uint32_t enter_precopy, json_t *into,
		 struct gw_error *e)
{
	struct gw_device *dev;
	int ended, ret = device_access_begin(access, e);

	if (!ret)
		ret = device_access_open(access, &dev, "device", uri, 0, e);
	if (!ret) {
		ret = device_json_fill(into, dev, e);
		if (!ret && enter_precopy)
			ret = device_json_add_precopy(into, dev, e);
		gw_device_close(dev);
	}
	ended = device_access_end(access, e);
	return ret ? ret : ended;
}

static int run(const void *data, const struct words *words)
{
	const struct probe_args *args = data;
	struct device_access access = args->access;
	struct gw_error e = GW_ERROR_NONE;
	json_t *found = json_object();
	int ret = probe(&access, words->items[0], args->enter_precopy, found, &e);

	if (ret)
		say_error(&e);
	else if (args->json)
		json_print(found);
	else
		probe_view_show(stdout, found);
	json_decref(found);
	return ret ? EXIT_FAILED : EXIT_DONE;
}

const struct command cmd_probe = {
	.name = "probe",
	.summary = "show what a device can do",
	.synopsis = "[OPTION...] URI",
	.description = "Shows a device's identity, regions, migration flags, states, sizes and dirty source. URIs: "
		       "vfio-user:PATH,\n"
		       "vfio:/dev/vfio/devices/vfioN, vfio:0000:3b:00.2, vfio:UUID (mdev); \",group\" at the end of a "
		       "vfio: URI\n"
		       "forces the legacy way in. The device is opened: it must not be in use.\n",
	.example = "  godwit probe vfio-user:/run/dev0.sock\n",
	.options = options,
	.word = "URI",
	.max_words = 1,
	.args_bytes = sizeof(struct probe_args),
	.run = run,
};
