/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit probe": what a device can do, as JSON first and that shown for a person. It only asks, except with
 * --enter-precopy, which takes the device into pre-copy and back.
 */
#include "command.h"
#include "json.h"
#include "probe_view.h"
#include "say.h"

#include <godwit/device.h>
#include <jansson.h>

struct probe_args {
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
	{ .name = NULL },
};

struct named_bit {
	uint32_t bit;
	const char *name;
};

static const struct named_bit migration_flags[] = {
	{ GW_MIGRATION_STOP_COPY, "STOP_COPY" },
	{ GW_MIGRATION_P2P, "P2P" },
	{ GW_MIGRATION_PRE_COPY, "PRE_COPY" },
	{ 0, NULL },
};

static const struct named_bit features[] = {
	{ GW_FEATURE_RESET, "reset" },
	{ GW_FEATURE_PCI, "pci" },
	{ GW_FEATURE_DMA_LOG, "dma-log" },
	{ GW_FEATURE_STOP_SIZE, "stop-size" },
	{ GW_FEATURE_PRECOPY_INFO, "precopy-info" },
	{ GW_FEATURE_DATA_SOCKET, "data-socket" },
	{ 0, NULL },
};

static json_t *names_of(const struct named_bit *bits, uint32_t set)
{
	json_t *array = json_array();

	for (; bits->name; bits++)
		if (set & bits->bit)
			json_array_append_new(array, json_string(bits->name));
	return array;
}

/* What a state needs to exist; a device without migration has none of them. */
static json_t *states_of(uint32_t flags)
{
	static const uint32_t needs[GW_NR_STATES] = {
		[GW_STATE_ERROR] = GW_MIGRATION_STOP_COPY,
		[GW_STATE_STOP] = GW_MIGRATION_STOP_COPY,
		[GW_STATE_RUNNING] = GW_MIGRATION_STOP_COPY,
		[GW_STATE_STOP_COPY] = GW_MIGRATION_STOP_COPY,
		[GW_STATE_RESUMING] = GW_MIGRATION_STOP_COPY,
		[GW_STATE_RUNNING_P2P] = GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P,
		[GW_STATE_PRE_COPY] = GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY,
		[GW_STATE_PRE_COPY_P2P] = GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY | GW_MIGRATION_P2P,
	};
	json_t *array = json_array();

	for (uint32_t state = 0; state < GW_NR_STATES; state++)
		if ((flags & needs[state]) == needs[state])
			json_array_append_new(array, json_string(gw_device_state_name(state)));
	return array;
}

static void add_identity(json_t *probe, const struct gw_device_info *info)
{
	json_object_set_new(probe, "backend", json_string(info->backend));
	if (info->driver[0])
		json_object_set_new(probe, "driver", json_string(info->driver));
	if (!(info->features & GW_FEATURE_PCI))
		return;
	json_object_set_new(
		probe, "pci",
		json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "vendor", info->vendor_id, "device", info->device_id,
			  "subsystem_vendor", info->subsystem_vendor_id, "subsystem_device", info->subsystem_device_id,
			  "class", (int)(info->class_revision >> 8), "revision", (int)(info->class_revision & 0xff)));
}

static void add_page_sizes(json_t *probe, uint64_t sizes)
{
	json_t *array = json_array();

	for (int bit = 0; bit < 63; bit++)
		if (sizes & 1ull << bit)
			json_array_append_new(array, json_integer((json_int_t)(1ull << bit)));
	json_object_set_new(probe, "dma_page_sizes_bytes", array);
}

/* Regions and interrupts that are not there have size 0; a device may refuse to speak of some. */
static void add_regions(json_t *probe, struct gw_device *dev, const struct gw_device_info *info)
{
	json_t *regions = json_array(), *irqs = json_array();

	for (uint32_t i = 0; i < info->nr_regions; i++) {
		struct gw_region_info region = { 0 };

		if (!gw_device_region_info(dev, i, &region, NULL) && region.size_bytes)
			json_array_append_new(
				regions, json_pack("{s:i, s:I, s:b, s:b, s:b}", "index", (int)i, "size_bytes",
						   (json_int_t)region.size_bytes, "read", (int)(region.flags & 1),
						   "write", (int)(region.flags & 2), "mmap", (int)(region.flags & 4)));
	}
	for (uint32_t i = 0; i < info->nr_irqs; i++) {
		struct gw_irq_info irq = { 0 };

		if (!gw_device_irq_info(dev, i, &irq, NULL) && irq.count)
			json_array_append_new(irqs, json_pack("{s:i, s:i}", "index", (int)i, "count", (int)irq.count));
	}
	json_object_set_new(probe, "regions", regions);
	json_object_set_new(probe, "irqs", irqs);
}

static void add_state(json_t *probe, struct gw_device *dev)
{
	uint32_t state;
	uint64_t bytes;

	if (!gw_device_state_get(dev, &state, NULL))
		json_object_set_new(probe, "state", json_string(gw_device_state_name(state)));
	if (!gw_device_stop_size(dev, &bytes, NULL))
		json_object_set_new(probe, "stop_size_bytes", json_integer((json_int_t)bytes));
}

/* To PRE_COPY and back. Whatever failed on the way, RUNNING is asked for, and the first failure is told. */
static int add_precopy(json_t *probe, struct gw_device *dev, struct gw_error *e)
{
	struct gw_precopy_info info;
	int back, ret = gw_device_state_set(dev, GW_STATE_PRE_COPY, e);

	if (!ret)
		ret = gw_device_precopy_info(dev, &info, e);
	back = gw_device_state_set(dev, GW_STATE_RUNNING, e);
	if (!ret)
		json_object_set_new(probe, "precopy",
				    json_pack("{s:I, s:I}", "initial_bytes", (json_int_t)info.initial_bytes,
					      "dirty_bytes", (json_int_t)info.dirty_bytes));
	return ret ? ret : back;
}

static int probe_device(json_t *probe, struct gw_device *dev, int enter_precopy, struct gw_error *e)
{
	struct gw_device_info info;
	int ret = gw_device_get_info(dev, &info, e);

	if (ret)
		return ret;
	json_object_set_new(probe, "uri", json_string(gw_device_uri(dev)));
	add_identity(probe, &info);
	json_object_set_new(probe, "migration_flags", names_of(migration_flags, info.migration_flags));
	json_object_set_new(probe, "states", states_of(info.migration_flags));
	json_object_set_new(probe, "features", names_of(features, info.features));
	json_object_set_new(probe, "dirty_source", json_string(gw_dirty_source_name(info.dirty_source)));
	add_page_sizes(probe, info.dma_page_sizes);
	if (info.max_dma_maps)
		json_object_set_new(probe, "max_dma_maps", json_integer(info.max_dma_maps));
	add_regions(probe, dev, &info);
	if (info.migration_flags)
		add_state(probe, dev);
	return enter_precopy ? add_precopy(probe, dev, e) : 0;
}

static int run(const void *data, const struct words *words)
{
	const struct probe_args *args = data;
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev = NULL;
	json_t *probe = json_object();
	int ret = gw_device_open(&dev, "device", words->items[0], &e);

	if (!ret)
		ret = probe_device(probe, dev, (int)args->enter_precopy, &e);
	if (ret)
		say_error(&e);
	else if (args->json)
		json_print(probe);
	else
		probe_view_show(stdout, probe);
	gw_device_close(dev);
	json_decref(probe);
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
