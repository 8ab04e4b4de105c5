/* SPDX-License-Identifier: BSD-3-Clause */
/* A probed device for a person: see probe_view.h. */
#include "probe_view.h"

#include "json.h"
#include "units.h"

#include <string.h>

static const char *const region_names[] = {
	"BAR 0", "BAR 1", "BAR 2", "BAR 3", "BAR 4", "BAR 5", "ROM", "config", "VGA"
};
static const char *const irq_names[] = { "INTx", "MSI", "MSI-X", "error", "request" };

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* "name      " before every line: one column of names, one of values. */
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

static void show_list(FILE *out, const char *name, const json_t *list)
{
	const json_t *item;
	size_t i;

	label(out, name);
	json_array_foreach(list, i, item) fprintf(out, "%s%s", i ? " " : "", json_string_value(item));
	fprintf(out, "%s\n", json_array_size(list) ? "" : "none");
}

static void show_size(FILE *out, const char *name, const json_t *object, const char *key, const char *absent)
{
	label(out, name);
	fprintf(out, "%s\n", json_has(object, key) ? units_size(json_u64(object, key)).s : absent);
}

static void show_pci(FILE *out, const json_t *pci)
{
	if (!pci)
		return;
	label(out, "PCI");
	fprintf(out, "%04x:%04x, subsystem %04x:%04x, class %06x, revision %02x\n",
		(unsigned int)json_u64(pci, "vendor"), (unsigned int)json_u64(pci, "device"),
		(unsigned int)json_u64(pci, "subsystem_vendor"), (unsigned int)json_u64(pci, "subsystem_device"),
		(unsigned int)json_u64(pci, "class"), (unsigned int)json_u64(pci, "revision"));
}

static void show_regions(FILE *out, const json_t *regions)
{
	const json_t *region;
	size_t i;

	json_array_foreach(regions, i, region)
	{
		uint64_t index = json_u64(region, "index");

		label(out, i ? "" : "regions");
		if (index < NR(region_names))
			fprintf(out, "%-8s", region_names[index]);
		else
			fprintf(out, "#%-7llu", (unsigned long long)index);
		fprintf(out, "%10s  %s%s%s\n", units_size(json_u64(region, "size_bytes")).s,
			json_true_at(region, "read") ? "r" : "-", json_true_at(region, "write") ? "w" : "-",
			json_true_at(region, "mmap") ? " mmap" : "");
	}
}

static void show_irqs(FILE *out, const json_t *irqs)
{
	const json_t *irq;
	size_t i;

	json_array_foreach(irqs, i, irq)
	{
		uint64_t index = json_u64(irq, "index");

		label(out, i ? "" : "interrupts");
		if (index < NR(irq_names))
			fprintf(out, "%-8s", irq_names[index]);
		else
			fprintf(out, "#%-7llu", (unsigned long long)index);
		fprintf(out, "%10llu\n", (unsigned long long)json_u64(irq, "count"));
	}
}

static void show_page_sizes(FILE *out, const json_t *sizes)
{
	const json_t *size;
	size_t i;

	label(out, "DMA pages");
	json_array_foreach(sizes, i, size)
		fprintf(out, "%s%s", i ? ", " : "", units_size((uint64_t)json_integer_value(size)).s);
	fprintf(out, "%s\n", json_array_size(sizes) ? "" : "not stated");
}

/* What the source's name means for a migration. */
static void show_dirty_source(FILE *out, const char *name)
{
	static const struct {
		const char *name, *means;
	} sources[] = {
		{ "device", "told by the device's own log" },
		{ "iommufd", "told by the IOMMU, through iommufd" },
		{ "type1", "told by the type 1 container; behind an IOMMU that is all memory, each time" },
		{ "none", "not told: all memory is sent again while the guest is paused" },
	};

	for (size_t i = 0; i < NR(sources); i++)
		if (!strcmp(sources[i].name, name))
			show_text(out, "dirty pages", sources[i].means);
}

static void show_precopy(FILE *out, const json_t *precopy)
{
	if (!precopy)
		return;
	label(out, "pre-copy");
	fprintf(out, "%s initial, ", units_size(json_u64(precopy, "initial_bytes")).s);
	fprintf(out, "%s dirty\n", units_size(json_u64(precopy, "dirty_bytes")).s);
}

void probe_view_show(FILE *out, const json_t *probe)
{
	show_text(out, "device", json_text(probe, "uri"));
	show_text(out, "backend", json_text(probe, "backend"));
	show_text(out, "driver", json_text(probe, "driver"));
	show_pci(out, json_object_get(probe, "pci"));
	show_regions(out, json_object_get(probe, "regions"));
	show_irqs(out, json_object_get(probe, "irqs"));
	show_page_sizes(out, json_object_get(probe, "dma_page_sizes_bytes"));
	show_list(out, "features", json_object_get(probe, "features"));
	show_dirty_source(out, json_text(probe, "dirty_source"));
	show_list(out, "migration", json_object_get(probe, "migration_flags"));
	if (!json_array_size(json_object_get(probe, "migration_flags")))
		return;
	show_list(out, "states", json_object_get(probe, "states"));
	show_text(out, "state now", json_text(probe, "state"));
	show_size(out, "stop size", probe, "stop_size_bytes", "not told");
	show_precopy(out, json_object_get(probe, "precopy"));
}
