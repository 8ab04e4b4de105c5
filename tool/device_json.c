/* SPDX-License-Identifier: BSD-3-Clause */
/* See device_json.h. What a device does not tell is left out. */
#include "device_json.h"

#include "json.h"

#include <string.h>

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
	{ GW_FEATURE_REINIT, "reinit" },
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

/* The set of those names; one that is not known here is left out. */
static uint32_t bits_of(const struct named_bit *bits, const json_t *names)
{
	const json_t *name;
	uint32_t set = 0;
	size_t i;

	json_array_foreach(names, i, name)
	{
		for (const struct named_bit *bit = bits; bit->name; bit++)
			if (json_is_string(name) && !strcmp(json_string_value(name), bit->name))
				set |= bit->bit;
	}
	return set;
}

/* A size that a device tells: it may be anything, JSON's integers have 63 bits. */
static json_t *size_of(uint64_t bytes)
{
	return json_integer(bytes > INT64_MAX ? INT64_MAX : (json_int_t)bytes);
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

static void add_identity(json_t *device, const struct gw_device_info *info)
{
	json_object_set_new(device, "backend", json_string(info->backend));
	if (info->driver[0])
		json_object_set_new(device, "driver", json_string(info->driver));
	if (!(info->features & GW_FEATURE_PCI))
		return;
	json_object_set_new(
		device, "pci",
		json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "vendor", info->vendor_id, "device", info->device_id,
			  "subsystem_vendor", info->subsystem_vendor_id, "subsystem_device", info->subsystem_device_id,
			  "class", (int)(info->class_revision >> 8), "revision", (int)(info->class_revision & 0xff)));
}

static void add_page_sizes(json_t *device, uint64_t sizes)
{
	json_t *array = json_array();

	for (int bit = 0; bit < 63; bit++)
		if (sizes & 1ull << bit)
			json_array_append_new(array, json_integer((json_int_t)(1ull << bit)));
	json_object_set_new(device, "dma_page_sizes_bytes", array);
}

/* Regions and interrupts that are not there have size 0; a device may refuse to speak of some. */
static void add_regions(json_t *device, struct gw_device *dev, const struct gw_device_info *info)
{
	json_t *regions = json_array(), *irqs = json_array();

	for (uint32_t i = 0; i < info->nr_regions; i++) {
		struct gw_region_info region = { 0 };

		if (!gw_device_region_info(dev, i, &region, NULL) && region.size_bytes)
			json_array_append_new(
				regions, json_pack("{s:i, s:o, s:b, s:b, s:b}", "index", (int)i, "size_bytes",
						   size_of(region.size_bytes), "read", (int)(region.flags & 1), "write",
						   (int)(region.flags & 2), "mmap", (int)(region.flags & 4)));
	}
	for (uint32_t i = 0; i < info->nr_irqs; i++) {
		struct gw_irq_info irq = { 0 };

		if (!gw_device_irq_info(dev, i, &irq, NULL) && irq.count)
			json_array_append_new(irqs, json_pack("{s:i, s:i}", "index", (int)i, "count", (int)irq.count));
	}
	json_object_set_new(device, "regions", regions);
	json_object_set_new(device, "irqs", irqs);
}

static void add_state(json_t *device, struct gw_device *dev)
{
	uint32_t state;
	uint64_t bytes;

	if (!gw_device_state_get(dev, &state, NULL))
		json_object_set_new(device, "state", json_string(gw_device_state_name(state)));
	if (!gw_device_stop_size(dev, &bytes, NULL))
		json_object_set_new(device, "stop_size_bytes", size_of(bytes));
}

int device_json_add_precopy(json_t *device, struct gw_device *dev, struct gw_error *e)
{
	struct gw_precopy_info info;
	int back, ret = gw_device_state_set(dev, GW_STATE_PRE_COPY, e);

	if (!ret)
		ret = gw_device_precopy_info(dev, &info, e);
	back = gw_device_state_set(dev, GW_STATE_RUNNING, e);
	if (!ret)
		json_object_set_new(device, "precopy",
				    json_pack("{s:o, s:o}", "initial_bytes", size_of(info.initial_bytes), "dirty_bytes",
					      size_of(info.dirty_bytes)));
	return ret ? ret : back;
}

int device_json_fill(json_t *device, struct gw_device *dev, struct gw_error *e)
{
	struct gw_device_info info;
	int ret = gw_device_get_info(dev, &info, e);

	if (ret)
		return ret;
	json_object_set_new(device, "uri", json_string(gw_device_uri(dev)));
	add_identity(device, &info);
	json_object_set_new(device, "migration_flags", names_of(migration_flags, info.migration_flags));
	json_object_set_new(device, "states", states_of(info.migration_flags));
	json_object_set_new(device, "features", names_of(features, info.features));
	json_object_set_new(device, "dirty_source", json_string(gw_dirty_source_name(info.dirty_source)));
	add_page_sizes(device, info.dma_page_sizes);
	if (info.max_dma_maps)
		json_object_set_new(device, "max_dma_maps", json_integer(info.max_dma_maps));
	add_regions(device, dev, &info);
	if (info.migration_flags)
		add_state(device, dev);
	return 0;
}

void device_json_info(const json_t *device, struct gw_device_info *info)
{
	const json_t *pci = json_object_get(device, "pci");

	*info = (struct gw_device_info){ 0 };
	info->migration_flags = bits_of(migration_flags, json_object_get(device, "migration_flags"));
	info->features = bits_of(features, json_object_get(device, "features"));
	info->vendor_id = (uint16_t)json_u64(pci, "vendor");
	info->device_id = (uint16_t)json_u64(pci, "device");
	info->subsystem_vendor_id = (uint16_t)json_u64(pci, "subsystem_vendor");
	info->subsystem_device_id = (uint16_t)json_u64(pci, "subsystem_device");
	info->class_revision = (uint32_t)json_u64(pci, "class") << 8 | (uint8_t)json_u64(pci, "revision");
	info->max_dma_maps = (uint32_t)json_u64(device, "max_dma_maps");
	snprintf(info->backend, sizeof(info->backend), "%s", json_text(device, "backend"));
	snprintf(info->driver, sizeof(info->driver), "%s", json_text(device, "driver"));
}
