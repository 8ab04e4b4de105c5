/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit report": all that decides whether this host's devices can move to another host, or another's to them, as one
 * JSON document for "godwit compare". It only asks, except with --enter-precopy.
 */
#include "command.h"
#include "device_access.h"
#include "device_json.h"
#include "json.h"
#include "say.h"
#include "tool/host/device_sysfs.h"
#include "tool/host/host_json.h"
#include "tool/host/host_report.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <stdio.h>
#include <string.h>

struct report_args {
	struct device_access access;
	uint32_t enter_precopy;
};

static const struct option options[] = {
	{ .name = "enter-precopy",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct report_args, enter_precopy),
	  .help = "take each device to PRE_COPY and back, to learn the sizes only told there" },
	DEVICE_ACCESS_OPTIONS(struct report_args, access),
	{ .name = NULL },
};

/* "ID=URI", or a URI alone, whose id is its number, as in "godwit vm". A URI may have a '=', after its ':'. */
static int parse_word(const char *word, unsigned number, char id[GW_DEVICE_ID_BYTES], const char **uri,
		      struct gw_error *e)
{
	size_t length = strcspn(word, "=:");

	*uri = word;
	snprintf(id, GW_DEVICE_ID_BYTES, "dev%u", number);
	if (word[length] != '=')
		return 0;
	if (!length || length >= GW_DEVICE_ID_BYTES)
		return gw_error_set(e, -EINVAL, word, "the id before \"=\" has to have 1 to %d bytes",
				    GW_DEVICE_ID_BYTES - 1);
	snprintf(id, GW_DEVICE_ID_BYTES, "%.*s", (int)length, word);
	*uri = word + length + 1;
	return 0;
}

static int fill_device(json_t *device, const struct report_args *args, struct device_access *access, const char *id,
		       const char *uri, struct gw_error *e)
{
	struct gw_device *dev = NULL;
	json_t *sysfs;
	int ret = device_access_open(access, &dev, id, uri, 0, e);

	if (!ret)
		ret = device_json_fill(device, dev, e);
	if (!ret && args->enter_precopy && json_names(json_object_get(device, "migration_flags"), "PRE_COPY") &&
	    json_names(json_object_get(device, "features"), "precopy-info"))
		ret = device_json_add_precopy(device, dev, e);
	gw_device_close(dev);
	sysfs = ret ? NULL : device_sysfs_json("", uri);
	if (sysfs)
		json_object_set_new(device, "sysfs", sysfs);
	return ret;
}

static bool has_id(const json_t *devices, const char *id)
{
	const json_t *device;
	size_t i;

	json_array_foreach(devices, i, device)
	{
		if (!strcmp(json_text(device, "id"), id))
			return true;
	}
	return false;
}

static int add_device(json_t *devices, const struct report_args *args, struct device_access *access, const char *word,
		      struct gw_error *e)
{
	char id[GW_DEVICE_ID_BYTES];
	const char *uri;
	json_t *device;
	int ret = parse_word(word, (unsigned)json_array_size(devices), id, &uri, e);

	if (!ret && has_id(devices, id))
		ret = gw_error_set(e, -EEXIST, word, "another device has the id \"%s\" already", id);
	if (ret)
		return ret;
	device = json_pack("{s:s}", "id", id);
	if (!device)
		return gw_error_set(e, -EINVAL, word, "the id is no UTF-8 text");
	json_array_append_new(devices, device);
	return fill_device(device, args, access, id, uri, e);
}

static int run(const void *data, const struct words *words)
{
	const struct report_args *args = data;
	struct device_access access = args->access;
	struct gw_error e = GW_ERROR_NONE;
	json_t *devices = json_array();
	json_t *report = json_pack("{s:s, s:i, s:o, s:o}", "godwit", gw_version(), "report", HOST_REPORT_FORMAT, "host",
				   host_json(""), "devices", devices);
	int over, ret = device_access_begin(&access, &e);

	for (unsigned i = 0; i < words->nr && !ret; i++)
		ret = add_device(devices, args, &access, words->items[i], &e);
	over = device_access_end(&access, &e);
	if (ret || over)
		say_error(&e);
	else
		json_print(report);
	json_decref(report);
	return ret || over ? EXIT_FAILED : EXIT_DONE;
}

const struct command cmd_report = {
	.name = "report",
	.summary = "write down what decides whether this host's devices can move",
	.synopsis = "[OPTION...] [ID=]URI...",
	.description = "Writes one JSON document on stdout: of the host its kernel, VFIO, IOMMUs; of each device its "
		       "model, driver,\n"
		       "firmware text, migration flags, states, features, sizes, regions. \"godwit compare\" says from "
		       "two of them\n"
		       "whether devices can move. Devices are compared by id: ID, or dev0, dev1, ... in order, as in "
		       "\"godwit vm\".\n"
		       "The devices are opened: they must not be in use.\n",
	.example = "  godwit report --enter-precopy vfio:0000:3b:00.2 > host.json\n",
	.options = options,
	.word = "URI",
	.max_words = WORDS_MAX,
	.args_bytes = sizeof(struct report_args),
	.run = run,
};
