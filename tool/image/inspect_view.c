/* SPDX-License-Identifier: BSD-3-Clause */
/* An inspection as tables: see inspect_view.h. */
#include "inspect_view.h"

#include "tool/json.h"
#include "tool/units.h"

#include <string.h>

#define COUNT(object, key) units_count(json_u64(object, key)).s
#define SIZE(object, key)  units_size(json_u64(object, key)).s

static void label(FILE *out, const char *name)
{
	fprintf(out, "%-12s ", name);
}

static void show_text(FILE *out, const char *name, const char *text)
{
	if (!text[0])
		return;
	label(out, name);
	fprintf(out, "%s\n", text);
}

static void show_files(FILE *out, const json_t *files)
{
	static const struct {
		const char *kind, *means;
	} kinds[] = {
		{ "image", "a saved device state" },
		{ "record", "a channel of a godwit migration" },
		{ "qemu", "a QEMU migration stream" },
		{ "qemu-multifd", "a multifd channel of a QEMU migration" },
	};
	const json_t *file;
	size_t i;

	json_array_foreach(files, i, file)
	{
		const char *kind = json_text(file, "kind");

		label(out, i ? "" : "file");
		fprintf(out, "%s: ", json_text(file, "name"));
		for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
			if (!strcmp(kinds[k].kind, kind))
				fprintf(out, "%s, %s, ", kinds[k].means, SIZE(file, "bytes"));
		fprintf(out, "%s\n", json_true_at(file, "whole") ? "whole" : "not whole");
	}
}

/* "12,345 normal, 3 zero" */
static void show_pages(FILE *out, const json_t *pages)
{
	const char *key;
	json_t *value;
	int nr = 0;

	json_object_foreach((json_t *)pages, key, value) if (json_integer_value(value))
		fprintf(out, "%s%s %s", nr++ ? ", " : "", units_count((uint64_t)json_integer_value(value)).s, key);
	fprintf(out, "%s\n", nr ? "" : "no pages");
}

static void show_ram(FILE *out, const json_t *blocks)
{
	const json_t *block;
	size_t i;

	json_array_foreach(blocks, i, block)
	{
		label(out, i ? "" : "RAM");
		fprintf(out, "%-28s", json_text(block, "id"));
		fprintf(out, " %9s  ", json_has(block, "size_bytes") ? SIZE(block, "size_bytes") : "");
		if (json_has(block, "pages_offset"))
			fprintf(out, "pages at 0x%llx of the file\n",
				(unsigned long long)json_u64(block, "pages_offset"));
		else
			show_pages(out, json_object_get(block, "pages"));
	}
}

static void show_pci(FILE *out, const json_t *pci)
{
	if (!pci)
		return;
	fprintf(out, ", PCI %04x:%04x", (unsigned int)json_u64(pci, "vendor"), (unsigned int)json_u64(pci, "device"));
}

static void show_devices(FILE *out, const json_t *devices)
{
	const json_t *device;
	size_t i;

	json_array_foreach(devices, i, device)
	{
		label(out, i ? "" : "devices");
		fprintf(out, "%-28s %s in pre-copy", json_text(device, "id"), SIZE(device, "precopy_bytes"));
		fprintf(out, ", %s in stop-copy", SIZE(device, "stop_copy_bytes"));
		if (json_true_at(device, "multifd"))
			fprintf(out, " by multifd");
		fprintf(out, ", %s buffers", COUNT(device, "buffers"));
		if (json_u64(device, "initial_marks"))
			fprintf(out, ", initial bytes ended %s times", COUNT(device, "initial_marks"));
		if (json_u64(device, "config_bytes"))
			fprintf(out, ", %s of PCI state", SIZE(device, "config_bytes"));
		show_pci(out, json_object_get(device, "pci"));
		if (json_has(device, "complete") && !json_true_at(device, "complete"))
			fprintf(out, "; not all there");
		fputc('\n', out);
	}
}

static void show_counts(FILE *out, const json_t *counts)
{
	const json_t *count;
	size_t i;

	json_array_foreach(counts, i, count)
	{
		label(out, "");
		fprintf(out, "  %-18s %9s  %9s", json_text(count, "name"), COUNT(count, "count"), SIZE(count, "bytes"));
		if (json_u64(count, "bad_checksums"))
			fprintf(out, "  %s with a wrong checksum", COUNT(count, "bad_checksums"));
		fputc('\n', out);
	}
}

static void show_channels(FILE *out, const json_t *channels, const char *counts)
{
	const json_t *channel;
	size_t i;

	json_array_foreach(channels, i, channel)
	{
		const char *role = json_text(channel, "role");

		label(out, i ? "" : "channels");
		fprintf(out, "%s", role);
		if (!strcmp(role, "data") || !strcmp(role, "multifd"))
			fprintf(out, " %s", COUNT(channel, "number"));
		fprintf(out, ": %s, ends with %s\n", SIZE(channel, "bytes"), json_text(channel, "last"));
		show_counts(out, json_object_get(channel, counts));
	}
}

static void show_image(FILE *out, const json_t *image)
{
	const json_t *head = json_object_get(image, "head"), *totals = json_object_get(image, "totals");
	const json_t *pci = json_object_get(head, "pci");

	show_text(out, "device", json_text(head, "id"));
	show_text(out, "origin", json_text(head, "origin"));
	show_text(out, "backend", json_text(head, "backend"));
	show_text(out, "driver", json_text(head, "driver"));
	if (pci) {
		label(out, "PCI");
		fprintf(out, "%04x:%04x, subsystem %04x:%04x, class %06x, revision %02x\n",
			(unsigned int)json_u64(pci, "vendor"), (unsigned int)json_u64(pci, "device"),
			(unsigned int)json_u64(pci, "subsystem_vendor"),
			(unsigned int)json_u64(pci, "subsystem_device"), (unsigned int)json_u64(pci, "class"),
			(unsigned int)json_u64(pci, "revision"));
	}
	show_text(out, "saved", json_text(head, "created"));
	show_text(out, "by", json_text(head, "writer"));
	label(out, "state");
	fprintf(out, "%s in pre-copy, ", SIZE(totals, "precopy_bytes"));
	fprintf(out, "%s in stop-copy, %s blocks\n", SIZE(totals, "stop_copy_bytes"), COUNT(totals, "blocks"));
	show_text(out, "digest", json_text(totals, "state_digest"));
	if (json_u64(image, "bad_checksums"))
		show_text(out, "checksums", "wrong in some records");
}

static void show_record(FILE *out, const json_t *record)
{
	const json_t *prepare = json_object_get(record, "prepare");

	show_text(out, "migration", json_text(record, "migration_id"));
	show_text(out, "VM", json_text(record, "vm_name"));
	show_ram(out, json_object_get(record, "ram"));
	if (json_u64(record, "other_pages") || json_u64(record, "other_zero_pages")) {
		label(out, json_array_size(json_object_get(record, "ram")) ? "" : "RAM");
		fprintf(out, "%-28s %9s  %s normal, ", "(no manifest names the block)", "",
			COUNT(record, "other_pages"));
		fprintf(out, "%s zero\n", COUNT(record, "other_zero_pages"));
	}
	show_devices(out, json_object_get(record, "devices"));
	if (json_u64(record, "vm_state_bytes"))
		show_text(out, "VM state", SIZE(record, "vm_state_bytes"));
	if (prepare) {
		label(out, "promised");
		fprintf(out, "%s pages in %s RAM frames, ", COUNT(prepare, "ram_pages"), COUNT(prepare, "ram_frames"));
		fprintf(out, "%s of device state\n", SIZE(prepare, "device_bytes"));
	}
	show_channels(out, json_object_get(record, "channels"), "frames");
}

static void show_sections(FILE *out, const json_t *sections)
{
	const json_t *section;
	size_t i;

	json_array_foreach(sections, i, section)
	{
		const char *by = json_text(section, "measured_by");
		uint64_t bytes = json_u64(section, "bytes");

		label(out, i ? "" : "sections");
		fprintf(out, "%4llu %-28s", (unsigned long long)json_u64(section, "id"), json_text(section, "name"));
		fprintf(out, " #%llu v%-3llu %9s", (unsigned long long)json_u64(section, "instance"),
			(unsigned long long)json_u64(section, "version"), units_size(bytes).s);
		if (json_u64(section, "parts") > 1)
			fprintf(out, " in %s parts", COUNT(section, "parts"));
		if (!strcmp(by, "footer") && !json_has(section, "described_bytes"))
			fprintf(out, " (to its footer)");
		if (!strcmp(by, "footer") && json_has(section, "described_bytes") &&
		    json_u64(section, "described_bytes") != bytes)
			fprintf(out, " to its footer; the description says %s", COUNT(section, "described_bytes"));
		fputc('\n', out);
	}
}

static void show_names(FILE *out, const char *name, const json_t *names)
{
	const json_t *item;
	size_t i;

	if (!json_array_size(names))
		return;
	label(out, name);
	json_array_foreach(names, i, item) fprintf(out, "%s%s", i ? " " : "", json_string_value(item));
	fputc('\n', out);
}

static void show_main_channel(FILE *out, const json_t *qemu)
{
	const json_t *commands = json_object_get(qemu, "commands");

	show_text(out, "machine", json_text(qemu, "machine"));
	show_text(out, "uuid", json_text(qemu, "uuid"));
	show_names(out, "capabilities", json_object_get(qemu, "capabilities"));
	if (json_array_size(commands)) {
		show_text(out, "commands", "by number and bytes");
		show_counts(out, commands);
	}
	show_sections(out, json_object_get(qemu, "sections"));
	label(out, "description");
	fprintf(out, "%s\n", json_true_at(qemu, "description") ? SIZE(qemu, "description_bytes") : "none");
	if (json_u64(qemu, "packaged_bytes"))
		show_text(out, "packaged", SIZE(qemu, "packaged_bytes"));
	if (json_u64(qemu, "trailing_bytes"))
		show_text(out, "behind it", SIZE(qemu, "trailing_bytes"));
}

static void show_qemu(FILE *out, const json_t *qemu)
{
	if (json_true_at(qemu, "main_channel"))
		show_main_channel(out, qemu);
	show_ram(out, json_object_get(qemu, "ram"));
	show_devices(out, json_object_get(qemu, "devices"));
	show_channels(out, json_object_get(qemu, "channels"), "packets");
}

void inspect_view_show(FILE *out, const json_t *inspection)
{
	show_files(out, json_object_get(inspection, "files"));
	if (json_has(inspection, "image"))
		show_image(out, json_object_get(inspection, "image"));
	if (json_has(inspection, "record"))
		show_record(out, json_object_get(inspection, "record"));
	if (json_has(inspection, "qemu"))
		show_qemu(out, json_object_get(inspection, "qemu"));
}
