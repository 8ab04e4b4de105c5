/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bodies of MANIFEST and REFUSE: what will come, and why it may not. A decoded manifest is sane in itself
 * (doc/wire.md, "MANIFEST"); whether it fits the VM here is asked of model/manifest.
 */
#include "wire/message_body.h"

#define MAX_PAGE_BYTES (1 * GIB)

static void put_ram(struct wire_out *out, const struct manifest_ram *ram)
{
	wire_put_text(out, ram->id);
	wire_put_u64(out, ram->gpa);
	wire_put_u64(out, ram->size_bytes);
}

static bool get_ram(struct wire_in *in, struct manifest_ram *ram)
{
	wire_get_text(in, ram->id, sizeof(ram->id));
	ram->gpa = wire_get_u64(in);
	ram->size_bytes = wire_get_u64(in);
	return is_aligned(ram->gpa | ram->size_bytes, GW_PAGE_BYTES) && range_is_sane(ram->gpa, ram->size_bytes) &&
	       ram->size_bytes <= LIMIT_RAM_BYTES;
}

static void put_info(struct wire_out *out, const struct gw_device_info *info)
{
	wire_put_u32(out, info->migration_flags);
	wire_put_u32(out, info->features);
	wire_put_u32(out, info->nr_regions);
	wire_put_u32(out, info->nr_irqs);
	wire_put_u16(out, info->vendor_id);
	wire_put_u16(out, info->device_id);
	wire_put_u16(out, info->subsystem_vendor_id);
	wire_put_u16(out, info->subsystem_device_id);
	wire_put_u32(out, info->class_revision);
	wire_put_u32(out, info->max_dma_maps);
	wire_put_u64(out, info->dma_page_sizes);
	wire_put_u32(out, info->dirty_source);
	wire_put_text(out, info->backend);
	wire_put_text(out, info->driver);
}

/*
 * Flags of the uAPI and features that this version does not know say nothing to it: kept as they came. A source of
 * dirty pages that it does not know is none, which is safe: all of RAM counts as written.
 */
static void get_info(struct wire_in *in, struct gw_device_info *info)
{
	info->migration_flags = wire_get_u32(in);
	info->features = wire_get_u32(in);
	info->nr_regions = wire_get_u32(in);
	info->nr_irqs = wire_get_u32(in);
	info->vendor_id = wire_get_u16(in);
	info->device_id = wire_get_u16(in);
	info->subsystem_vendor_id = wire_get_u16(in);
	info->subsystem_device_id = wire_get_u16(in);
	info->class_revision = wire_get_u32(in);
	info->max_dma_maps = wire_get_u32(in);
	info->dma_page_sizes = wire_get_u64(in);
	info->dirty_source = wire_get_u32(in);
	if (info->dirty_source > GW_DIRTY_TYPE1)
		info->dirty_source = GW_DIRTY_NONE;
	wire_get_text(in, info->backend, sizeof(info->backend));
	wire_get_text(in, info->driver, sizeof(info->driver));
}

static void put_device(struct wire_out *out, const struct manifest_device *device)
{
	wire_put_text(out, device->id);
	put_info(out, &device->info);
	wire_put_u64(out, device->stop_bytes);
	wire_put_u32(out, device->flags);
}

static bool get_device(struct wire_in *in, struct manifest_device *device)
{
	wire_get_text(in, device->id, sizeof(device->id));
	get_info(in, &device->info);
	device->stop_bytes = wire_get_u64(in);
	device->flags = wire_get_u32(in);
	return !(device->flags & ~MANIFEST_DEVICE_FLAGS);
}

void message_manifest_encode(struct wire_out *out, const struct message *message)
{
	const struct manifest *manifest = &message->manifest;
	uint32_t nr_ram, nr_devices;

	wire_put_text(out, manifest->vm_name);
	wire_put_u64(out, manifest->page_bytes);
	nr_ram = put_count(out, manifest->nr_ram, GW_MAX_RAM_BLOCKS);
	nr_devices = put_count(out, manifest->nr_devices, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < nr_ram; i++)
		put_ram(out, &manifest->ram[i]);
	for (uint32_t i = 0; i < nr_devices; i++)
		put_device(out, &manifest->devices[i]);
}

bool message_manifest_decode(struct wire_in *in, struct message *message)
{
	struct manifest *manifest = &message->manifest;
	uint64_t ram_bytes = 0;
	bool sane;

	wire_get_text(in, manifest->vm_name, sizeof(manifest->vm_name));
	manifest->page_bytes = wire_get_u64(in);
	manifest->nr_ram = get_count(in, GW_MAX_RAM_BLOCKS);
	manifest->nr_devices = get_count(in, GW_MAX_DEVICES);

	sane = is_power_of_2(manifest->page_bytes) && manifest->page_bytes >= GW_PAGE_BYTES &&
	       manifest->page_bytes <= MAX_PAGE_BYTES;
	for (uint32_t i = 0; sane && i < manifest->nr_ram; i++) {
		sane = get_ram(in, &manifest->ram[i]);
		ram_bytes += manifest->ram[i].size_bytes; /* cannot wrap: each is bounded, and there are 64 */
	}
	for (uint32_t i = 0; sane && i < manifest->nr_devices; i++)
		sane = get_device(in, &manifest->devices[i]);
	return sane && ram_bytes <= LIMIT_RAM_BYTES;
}

void message_refuse_encode(struct wire_out *out, const struct message *message)
{
	const struct reasons *reasons = &message->refuse;
	uint32_t nr = put_count(out, reasons->nr, LIMIT_REASONS);

	for (uint32_t i = 0; i < nr; i++) {
		wire_put_u32(out, reasons->list[i].code);
		wire_put_text(out, reasons->list[i].where);
		wire_put_text(out, reasons->list[i].what);
	}
}

/* A code that this version does not know is OTHER: its sentence says what it is. */
bool message_refuse_decode(struct wire_in *in, struct message *message)
{
	struct reasons *reasons = &message->refuse;

	reasons->nr = get_count(in, LIMIT_REASONS);
	for (uint32_t i = 0; i < reasons->nr; i++) {
		struct reason *reason = &reasons->list[i];

		reason->code = wire_get_u32(in);
		if (reason->code == REASON_NONE || reason->code >= NR_REASON_CODES)
			reason->code = REASON_OTHER;
		wire_get_text(in, reason->where, sizeof(reason->where));
		wire_get_text(in, reason->what, sizeof(reason->what));
	}
	return reasons->nr > 0;
}
