/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See host_compare.h. Rules are rows: each looks at one thing of a pair of devices. What a report does not tell cannot
 * differ: a rule needs both sides' word. Sentences speak of "the source" and "the destination", as the library's do.
 */
#include "host_compare.h"

#include "tool/json.h"
#include "tool/units.h"

#include <stdarg.h>

#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct pair {
	json_t *verdict;
	const char *id;
	const json_t *from, *to;
};

/* A text that was cut to its length may end within a character; JSON takes whole ones only. */
static json_t *whole_text(char *text)
{
	json_t *string = json_string(text);

	for (size_t length = strlen(text); !string && length; string = json_string(text))
		text[--length] = 0;
	return string;
}

__attribute__((format(printf, 5, 6))) static void add(json_t *verdict, const char *list, const char *code,
						      const char *where, const char *fmt, ...)
{
	char what[GW_ERROR_WHAT_BYTES];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	json_array_append_new(json_object_get(verdict, list),
			      json_pack("{s:s, s:s, s:o}", "code", code, "where", where, "what", whole_text(what)));
}

#define block(pair, code, ...) add((pair)->verdict, "blockers", code, (pair)->id, __VA_ARGS__)
#define warn(pair, code, ...)  add((pair)->verdict, "warnings", code, (pair)->id, __VA_ARGS__)

static const json_t *at(const json_t *object, const char *key, const char *inner)
{
	return json_object_get(json_object_get(object, key), inner);
}

static bool both_differ(const char *a, const char *b)
{
	return a[0] && b[0] && strcmp(a, b) != 0;
}

static const json_t *find_index(const json_t *list, uint64_t index)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (json_has_number(item, "index") && json_u64(item, "index") == index)
			return item;
	}
	return NULL;
}

#define REGION_ROM 6

/* The guest has seen their sizes in the BARs, and its driver has mapped them. */
static void compare_regions(const struct pair *pair)
{
	static const char *const names[] = { "BAR 0", "BAR 1", "BAR 2",  "BAR 3", "BAR 4",
					     "BAR 5", "ROM",   "config", "VGA" };
	const json_t *from = json_object_get(pair->from, "regions"), *to = json_object_get(pair->to, "regions");

	for (uint64_t i = 0; i < NR(names) && from && to; i++) {
		uint64_t ours = json_u64(find_index(from, i), "size_bytes");
		uint64_t theirs = json_u64(find_index(to, i), "size_bytes");

		if (ours == theirs)
			continue;
		if (i == REGION_ROM)
			warn(pair, "rom-differs", "its ROM has %s on the source and %s on the destination",
			     units_size(ours).s, units_size(theirs).s);
		else
			block(pair, "region-differs",
			      "%s has %s on the source and %s on the destination, and the guest has seen that: use "
			      "devices set up alike",
			      names[i], units_size(ours).s, units_size(theirs).s);
	}
}

/* How many vectors there are stands in config space. */
static void compare_interrupts(const struct pair *pair)
{
	static const char *const names[] = { "INTx", "MSI", "MSI-X" };
	const json_t *from = json_object_get(pair->from, "irqs"), *to = json_object_get(pair->to, "irqs");

	for (uint64_t i = 0; i < NR(names) && from && to; i++) {
		uint64_t ours = json_u64(find_index(from, i), "count"), theirs = json_u64(find_index(to, i), "count");

		if (ours != theirs)
			block(pair, "interrupts-differ",
			      "it has %llu vectors of %s on the source and %llu on the destination, and the guest has "
			      "seen that: use devices set up alike",
			      (unsigned long long)ours, names[i], (unsigned long long)theirs);
	}
}

static void compare_mdev_type(const struct pair *pair)
{
	const char *from = json_string_value(at(pair->from, "sysfs", "mdev_type"));
	const char *to = json_string_value(at(pair->to, "sysfs", "mdev_type"));

	if (from && to && both_differ(from, to))
		block(pair, "mdev-type-differs",
		      "it is a mediated device of type %s on the source and %s on the destination: create one of the "
		      "source's type",
		      from, to);
}

static void compare_revision(const struct pair *pair)
{
	const json_t *from = json_object_get(pair->from, "pci"), *to = json_object_get(pair->to, "pci");

	if (from && to && json_u64(from, "revision") != json_u64(to, "revision"))
		warn(pair, "revision-differs", "it is revision %02x on the source and %02x on the destination",
		     (unsigned)json_u64(from, "revision"), (unsigned)json_u64(to, "revision"));
}

static void compare_driver(const struct pair *pair)
{
	const char *from = json_text(pair->from, "driver"), *to = json_text(pair->to, "driver");
	const json_t *ours = at(pair->from, "sysfs", "module"), *theirs = at(pair->to, "sysfs", "module");

	if (both_differ(from, to))
		warn(pair, "driver-differs",
		     "its driver is %s on the source and %s on the destination: whether one reads what the other wrote "
		     "only they know",
		     from, to);
	else if (both_differ(json_text(ours, "version"), json_text(theirs, "version")))
		warn(pair, "driver-version-differs",
		     "its driver is of version %s on the source and %s on the destination", json_text(ours, "version"),
		     json_text(theirs, "version"));
	else if (both_differ(json_text(ours, "source"), json_text(theirs, "source")))
		warn(pair, "driver-version-differs",
		     "its driver was built from other source code on the destination (srcversion %s, %s)",
		     json_text(ours, "source"), json_text(theirs, "source"));
}

/* A text of the same file of the same function; "": there is none. */
static const char *firmware_like(const json_t *list, const json_t *like)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!strcmp(json_text(item, "of"), json_text(like, "of")) &&
		    !strcmp(json_text(item, "file"), json_text(like, "file")))
			return json_text(item, "text");
	}
	return "";
}

static void compare_firmware(const struct pair *pair)
{
	const json_t *from = at(pair->from, "sysfs", "firmware"), *to = at(pair->to, "sysfs", "firmware"), *item;
	size_t i;

	if (!from || !to)
		return;
	if (!json_array_size(from) != !json_array_size(to))
		warn(pair, "firmware-unknown", "the firmware's version is told on the %s only",
		     json_array_size(from) ? "source" : "destination");
	json_array_foreach(from, i, item)
	{
		const char *text = json_text(item, "text"), *other = firmware_like(to, item);

		if (both_differ(text, other))
			warn(pair, "firmware-differs",
			     "the %s's firmware is %s on the source and %s on the destination", json_text(item, "of"),
			     text, other);
	}
}

static unsigned dirty_rank(const json_t *device)
{
	static const char *const names[] = { "none", "type1", "iommufd", "device" };

	for (unsigned i = NR(names); i-- > 0;)
		if (!strcmp(json_text(device, "dirty_source"), names[i]))
			return i;
	return 0;
}

static void compare_dirty_source(const struct pair *pair)
{
	const char *from = json_text(pair->from, "dirty_source"), *to = json_text(pair->to, "dirty_source");

	if (!dirty_rank(pair->from) && from[0])
		warn(pair, "dirty-untracked",
		     "nobody on the source tells which memory it writes: all memory is sent again while the guest is "
		     "paused");
	if (to[0] && dirty_rank(pair->to) < dirty_rank(pair->from))
		warn(pair, "dirty-source-weaker",
		     "what it writes is told by \"%s\" on the source and by \"%s\" on the destination: moving on from "
		     "there takes a longer pause",
		     from, to);
}

/* Names that a list has and the other has not, with commas. */
static size_t missing(const json_t *list, const json_t *in, char *text, size_t text_bytes)
{
	const json_t *item;
	size_t i, nr = 0, used = 0;

	text[0] = 0;
	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(item);

		if (!name || !strcmp(name, "dma-log") || json_names(in, name))
			continue;
		used += (size_t)snprintf(text + used, text_bytes - used, "%s%s", nr++ ? ", " : "", name);
		if (used >= text_bytes)
			break;
	}
	return nr;
}

static void compare_features(const struct pair *pair)
{
	const json_t *from = json_object_get(pair->from, "features"), *to = json_object_get(pair->to, "features");
	const json_t *flags = json_object_get(pair->from, "migration_flags");
	char text[128];

	if (json_names(flags, "PRE_COPY") && !json_names(from, "precopy-info"))
		warn(pair, "precopy-info-missing",
		     "it has pre-copy on the source and does not tell how much of it is left: no switchover can be "
		     "planned "
		     "by it");
	if (json_names(flags, "STOP_COPY") && !json_names(from, "stop-size"))
		warn(pair, "stop-size-missing",
		     "it does not tell the source how much state it has: the downtime cannot be predicted");
	if (json_is_array(from) && json_is_array(to) && missing(from, to, text, sizeof(text)))
		warn(pair, "feature-missing", "it lacks on the destination what it has on the source: %s", text);
}

static void compare_backend(const struct pair *pair)
{
	const char *from = json_text(pair->from, "backend"), *to = json_text(pair->to, "backend");
	const char *ours = json_string_value(at(json_object_get(pair->from, "sysfs"), "iommu", "kind"));
	const char *theirs = json_string_value(at(json_object_get(pair->to, "sysfs"), "iommu", "kind"));

	if (both_differ(from, to))
		warn(pair, "backend-differs", "it is reached by \"%s\" on the source and by \"%s\" on the destination",
		     from, to);
	if (ours && theirs && both_differ(ours, theirs))
		warn(pair, "iommu-differs", "its IOMMU is of kind %s on the source and %s on the destination", ours,
		     theirs);
}

static uint64_t smallest_page(const json_t *device)
{
	const json_t *sizes = json_object_get(device, "dma_page_sizes_bytes"), *size;
	uint64_t smallest = 0;
	size_t i;

	json_array_foreach(sizes, i, size)
	{
		uint64_t bytes = json_is_integer(size) ? (uint64_t)json_integer_value(size) : 0;

		if (bytes && (!smallest || bytes < smallest))
			smallest = bytes;
	}
	return smallest;
}

static void compare_dma(const struct pair *pair)
{
	uint64_t from = smallest_page(pair->from), to = smallest_page(pair->to);
	uint64_t ours = json_u64(pair->from, "max_dma_maps"), theirs = json_u64(pair->to, "max_dma_maps");

	if (from && to > from)
		warn(pair, "dma-pages-larger",
		     "memory is mapped for it in pages of %s on the source and of at least %s on the destination: RAM "
		     "blocks have to be aligned to that",
		     units_size(from).s, units_size(to).s);
	if (ours && theirs && theirs < ours)
		warn(pair, "dma-maps-fewer", "it takes %llu DMA maps on the source and %llu on the destination",
		     (unsigned long long)ours, (unsigned long long)theirs);
}

static void (*const rules[])(const struct pair *pair) = {
	compare_regions,  compare_interrupts,   compare_mdev_type, compare_revision, compare_driver,
	compare_firmware, compare_dirty_source, compare_features,  compare_backend,  compare_dma,
};

static void compare_hosts(json_t *verdict, const json_t *from, const json_t *to)
{
	uint64_t ours = json_u64(from, "page_size_bytes"), theirs = json_u64(to, "page_size_bytes");

	if (both_differ(json_text(from, "machine"), json_text(to, "machine")))
		add(verdict, "blockers", "machine-differs", "",
		    "the source is a %s and the destination a %s: a guest runs on one of them only",
		    json_text(from, "machine"), json_text(to, "machine"));
	if (ours && theirs && ours != theirs)
		add(verdict, "warnings", "host-page-differs", "",
		    "the source has pages of %s and the destination of %s: memory maps and dirty bits are that coarse",
		    units_size(ours).s, units_size(theirs).s);
	if (both_differ(json_text(from, "kernel"), json_text(to, "kernel")))
		add(verdict, "warnings", "kernel-differs", "",
		    "the kernel is %s on the source and %s on the destination", json_text(from, "kernel"),
		    json_text(to, "kernel"));
}

static int add_library_blockers(json_t *verdict, const struct host_report *from, const struct host_report *to,
				uint32_t flags)
{
	struct gw_blocker blockers[GW_MAX_BLOCKERS];
	int nr = gw_compare_devices(from->facts, from->nr_devices, to->facts, to->nr_devices, flags, blockers,
				    GW_MAX_BLOCKERS);

	for (int i = 0; i < nr; i++)
		add(verdict, "blockers", blockers[i].code, blockers[i].where, "%s", blockers[i].what);
	return nr < 0 ? nr : 0;
}

json_t *host_compare(const struct host_report *from, const struct host_report *to, uint32_t flags)
{
	json_t *verdict = json_pack("{s:b, s:[], s:[]}", "can_move", 0, "blockers", "warnings");

	if (add_library_blockers(verdict, from, to, flags)) {
		json_decref(verdict);
		return NULL;
	}
	compare_hosts(verdict, from->host, to->host);
	for (uint32_t i = 0; i < from->nr_devices; i++)
		for (uint32_t j = 0; j < to->nr_devices; j++) {
			struct pair pair = { verdict, from->facts[i].id, from->devices[i], to->devices[j] };

			if (strcmp(from->facts[i].id, to->facts[j].id) != 0)
				continue;
			for (size_t r = 0; r < NR(rules); r++)
				rules[r](&pair);
		}
	json_object_set_new(verdict, "can_move", json_boolean(!json_array_size(json_object_get(verdict, "blockers"))));
	return verdict;
}
