/* SPDX-License-Identifier: BSD-3-Clause */
/* An inspection as JSON: the library's tree, name by name. What was not told is left out. */
#include "inspect_json.h"

#include "image_report.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* Texts from a file are printable ASCII, those of a manifest UTF-8 or not: then they are left out. */
static void set_text(json_t *to, const char *key, const char *text)
{
	json_t *value = text && text[0] ? json_string(text) : NULL;

	if (value)
		json_object_set_new(to, key, value);
}

static void set_number(json_t *to, const char *key, uint64_t number)
{
	json_object_set_new(to, key, json_integer((json_int_t)number));
}

static void set_bool(json_t *to, const char *key, bool value)
{
	json_object_set_new(to, key, json_boolean(value));
}

static void set_bytes(json_t *to, const char *key, const uint8_t *bytes, size_t nr_bytes)
{
	char text[2 * 16 + 1] = "";

	for (size_t i = 0; i < nr_bytes && i < 16; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	set_text(to, key, text);
}

/* 8-4-4-4-12 */
static void set_uuid(json_t *to, const uint8_t uuid[16])
{
	char text[2 * 16 + 4 + 1];
	size_t at = 0;

	for (size_t i = 0; i < 16; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%02x",
				       i >= 4 && i <= 10 && i % 2 == 0 ? "-" : "", uuid[i]);
	set_text(to, "uuid", text);
}

static const char *kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[GW_FILE_IMAGE] = "image",
		[GW_FILE_RECORD] = "record",
		[GW_FILE_QEMU] = "qemu",
		[GW_FILE_QEMU_CHANNEL] = "qemu-multifd",
	};

	return kind < NR(names) ? names[kind] : NULL;
}

static json_t *file_json(const struct gw_inspected_file *file)
{
	json_t *json = json_object();
	const char *code = strerrorname_np(-file->trouble.code);

	set_text(json, "name", file->name);
	set_text(json, "kind", kind_name(file->kind));
	set_number(json, "bytes", file->bytes);
	set_bool(json, "whole", file->whole);
	if (file->trouble.code)
		json_object_set_new(json, "trouble",
				    json_pack("{s:s, s:I, s:s}", "code", code ? code : "?", "offset",
					      (json_int_t)file->trouble_at, "what", file->trouble.what));
	return json;
}

static json_t *pages_json(const uint64_t *pages)
{
	static const char *const names[GW_NR_PAGE_KINDS] = {
		[GW_PAGES_NORMAL] = "normal",   [GW_PAGES_ZERO] = "zero",
		[GW_PAGES_XBZRLE] = "xbzrle",   [GW_PAGES_COMPRESSED] = "compressed",
		[GW_PAGES_MULTIFD] = "multifd", [GW_PAGES_MULTIFD_ZERO] = "multifd_zero",
	};
	json_t *json = json_object();

	for (int i = 0; i < GW_NR_PAGE_KINDS; i++)
		if (pages[i] || i <= GW_PAGES_ZERO)
			set_number(json, names[i], pages[i]);
	return json;
}

static json_t *blocks_json(const struct gw_inspected_ram *ram)
{
	json_t *list = json_array();

	for (; ram; ram = ram->next) {
		json_t *json = json_object();

		set_text(json, "id", ram->id);
		if (ram->gpa != UINT64_MAX)
			set_number(json, "gpa", ram->gpa);
		if (ram->size_bytes)
			set_number(json, "size_bytes", ram->size_bytes);
		json_object_set_new(json, "pages", pages_json(ram->pages));
		if (ram->pages_offset) {
			set_number(json, "bitmap_offset", ram->bitmap_offset);
			set_number(json, "pages_offset", ram->pages_offset);
		}
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *pci_json(const struct gw_inspected_device *device)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "vendor", (int)device->vendor_id, "device",
			 (int)device->device_id, "subsystem_vendor", (int)device->subsystem_vendor_id,
			 "subsystem_device", (int)device->subsystem_device_id, "class",
			 (int)(device->class_revision >> 8), "revision", (int)(device->class_revision & 0xff));
}

static json_t *device_json(const struct gw_inspected_device *device, bool qemu)
{
	json_t *json = json_object();

	set_text(json, "id", device->id);
	if (qemu)
		set_number(json, "instance", device->instance);
	set_text(json, "backend", device->backend);
	set_number(json, "precopy_bytes", device->precopy_bytes);
	set_number(json, "stop_copy_bytes", device->stop_copy_bytes);
	set_number(json, "buffers", device->nr_buffers);
	set_number(json, "initial_marks", device->initial_marks);
	if (device->flags & GW_INSPECTED_PCI)
		json_object_set_new(json, "pci", pci_json(device));
	if (!qemu)
		return json;
	set_bool(json, "complete", device->flags & GW_INSPECTED_COMPLETE);
	set_bool(json, "multifd", device->flags & GW_INSPECTED_MULTIFD);
	set_number(json, "config_bytes", device->config_bytes);
	if (device->config_space_bytes) {
		set_number(json, "config_space_bytes", device->config_space_bytes);
		set_number(json, "msix_vectors", device->msix_vectors);
	}
	return json;
}

static json_t *devices_json(const struct gw_inspected_device *device, bool qemu)
{
	json_t *list = json_array();

	for (; device; device = device->next)
		json_array_append_new(list, device_json(device, qemu));
	return list;
}

static json_t *counts_json(const struct gw_inspected_count *count)
{
	json_t *list = json_array();

	for (; count; count = count->next) {
		json_t *json = json_object();

		set_text(json, "name", count->name);
		set_number(json, "type", count->type);
		set_number(json, "count", count->nr);
		set_number(json, "bytes", count->bytes);
		if (count->nr_bad_sums)
			set_number(json, "bad_checksums", count->nr_bad_sums);
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *channels_json(const struct gw_inspected_channel *channel, bool qemu)
{
	json_t *list = json_array();

	for (; channel; channel = channel->next) {
		json_t *json = json_object();

		set_text(json, "file", channel->file);
		set_text(json, "role", channel->role);
		set_number(json, "number", channel->number);
		set_number(json, "bytes", channel->bytes);
		json_object_set_new(json, qemu ? "packets" : "frames", counts_json(channel->types));
		set_text(json, "last", channel->last);
		if (!qemu) {
			set_number(json, "bad_checksums", channel->nr_bad_sums);
			set_number(json, "ram_frames", channel->ram_frames);
			set_number(json, "ram_pages", channel->ram_pages);
			set_number(json, "ram_zero_pages", channel->ram_zero_pages);
		}
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *image_json(const struct gw_inspected_image *image)
{
	json_t *json = json_object();

	if (image->head.version)
		json_object_set_new(json, "head", image_head_json(&image->head));
	json_object_set_new(json, "totals", image_totals_json(&image->totals));
	set_number(json, "bad_checksums", image->nr_bad_sums);
	return json;
}

static json_t *prepare_json(const struct gw_inspected_prepare *prepare)
{
	return json_pack("{s:I, s:I, s:I, s:I}", "ram_frames", (json_int_t)prepare->ram_frames, "ram_pages",
			 (json_int_t)prepare->ram_pages, "vm_state_bytes", (json_int_t)prepare->vm_state_bytes,
			 "device_bytes", (json_int_t)prepare->device_bytes);
}

static json_t *record_json(const struct gw_inspected_record *record)
{
	json_t *json = json_object();

	set_bytes(json, "migration_id", record->migration_id, sizeof(record->migration_id));
	set_text(json, "vm_name", record->vm_name);
	json_object_set_new(json, "channels", channels_json(record->channels, false));
	json_object_set_new(json, "ram", blocks_json(record->ram));
	set_number(json, "other_pages", record->stray_pages);
	set_number(json, "other_zero_pages", record->stray_zero_pages);
	json_object_set_new(json, "devices", devices_json(record->devices, false));
	set_number(json, "vm_state_bytes", record->vm_state_bytes);
	if (record->prepare)
		json_object_set_new(json, "prepare", prepare_json(record->prepare));
	return json;
}

static json_t *sections_json(const struct gw_inspected_section *section)
{
	static const char *const measured[] = {
		[GW_MEASURED_BY_LAYOUT] = "layout",
		[GW_MEASURED_BY_DESCRIPTION] = "description",
		[GW_MEASURED_BY_FOOTER] = "footer",
	};
	json_t *list = json_array();

	for (; section; section = section->next) {
		json_t *json = json_object();

		set_number(json, "id", section->id);
		set_text(json, "name", section->name);
		set_number(json, "instance", section->instance);
		set_number(json, "version", section->version);
		set_number(json, "offset", section->offset);
		set_number(json, "parts", section->nr_parts);
		set_number(json, "bytes", section->bytes);
		set_text(json, "measured_by", section->measured < NR(measured) ? measured[section->measured] : NULL);
		if (section->described_bytes != UINT64_MAX)
			set_number(json, "described_bytes", section->described_bytes);
		json_array_append_new(list, json);
	}
	return list;
}

static json_t *names_json(const struct gw_inspected_count *count)
{
	json_t *list = json_array();

	for (; count; count = count->next)
		json_array_append_new(list, json_string(count->name));
	return list;
}

static void set_main_channel(json_t *json, const struct gw_inspected_qemu *qemu)
{
	set_number(json, "version", qemu->version);
	set_text(json, "machine", qemu->machine);
	if (qemu->flags & GW_QEMU_UUID)
		set_uuid(json, qemu->uuid);
	json_object_set_new(json, "capabilities", names_json(qemu->capabilities));
	set_number(json, "page_bytes", qemu->page_bytes);
	set_bool(json, "mapped_ram", qemu->flags & GW_QEMU_MAPPED_RAM);
	set_bool(json, "footers", qemu->flags & GW_QEMU_FOOTERS);
	set_bool(json, "eof", qemu->flags & GW_QEMU_EOF);
	set_bool(json, "description", qemu->flags & GW_QEMU_DESCRIPTION);
	set_number(json, "description_bytes", qemu->description_bytes);
	set_number(json, "packaged_bytes", qemu->packaged_bytes);
	set_number(json, "trailing_bytes", qemu->trailing_bytes);
	json_object_set_new(json, "commands", counts_json(qemu->commands));
	json_object_set_new(json, "sections", sections_json(qemu->sections));
	set_number(json, "ram_total_bytes", qemu->ram_total_bytes);
}

static json_t *qemu_json(const struct gw_inspected_qemu *qemu)
{
	json_t *json = json_object();

	set_bool(json, "main_channel", qemu->flags & GW_QEMU_HEADER);
	if (qemu->flags & GW_QEMU_HEADER)
		set_main_channel(json, qemu);
	json_object_set_new(json, "ram", blocks_json(qemu->ram));
	json_object_set_new(json, "devices", devices_json(qemu->devices, true));
	json_object_set_new(json, "channels", channels_json(qemu->channels, true));
	return json;
}

json_t *inspect_json(const struct gw_inspection *inspection)
{
	json_t *json = json_object(), *files = json_array();
	bool whole = true;

	set_text(json, "godwit", gw_version());
	for (const struct gw_inspected_file *file = inspection->files; file; file = file->next) {
		json_array_append_new(files, file_json(file));
		whole &= file->whole;
	}
	set_bool(json, "whole", whole);
	json_object_set_new(json, "files", files);
	if (inspection->image)
		json_object_set_new(json, "image", image_json(inspection->image));
	if (inspection->record)
		json_object_set_new(json, "record", record_json(inspection->record));
	if (inspection->qemu)
		json_object_set_new(json, "qemu", qemu_json(inspection->qemu));
	return json;
}
