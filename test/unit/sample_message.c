/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to test with: a filler for each type; doc/wire.md says which values are allowed. */
#include "sample_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t pick(enum sample_size size, uint64_t least, uint64_t plain, uint64_t most)
{
	return size == SAMPLE_LEAST ? least : size == SAMPLE_PLAIN ? plain : most;
}

static uint32_t pick_u32(enum sample_size size, uint32_t least, uint32_t plain, uint32_t most)
{
	return (uint32_t)pick(size, least, plain, most);
}

/* The longest: all of the array, with a number so that ids differ. */
static void fill_text(char *text, size_t array_bytes, enum sample_size size, const char *plain, uint32_t number)
{
	if (size == SAMPLE_PLAIN)
		snprintf(text, array_bytes, "%s", plain);
	if (size == SAMPLE_MOST)
		snprintf(text, array_bytes, "%02u%0*d", number % 100, (int)array_bytes - 3, 0);
}

static void fill_hello(struct message *m, enum sample_size size)
{
	m->hello = (struct message_hello){
		.version_min = (uint16_t)pick(size, 1, 1, UINT16_MAX),
		.version_max = (uint16_t)pick(size, 1, 1, UINT16_MAX),
		.features = pick_u32(size, 0, HELLO_VERIFY, HELLO_FEATURES),
		.role = pick_u32(size, ROLE_CONTROL, ROLE_DATA, ROLE_DATA),
		.channel = pick_u32(size, 0, 1, GW_MAX_CHANNELS - 1),
		.nr_channels = pick_u32(size, 1, 2, GW_MAX_CHANNELS),
		.epoch = pick_u32(size, 0, 3, UINT32_MAX),
		.reconnect_ms = pick_u32(size, 0, 30000, UINT32_MAX),
	};
	for (uint8_t i = 0; i < MIGRATION_ID_BYTES; i++)
		m->hello.migration_id[i] = (uint8_t)pick(size, 0, 0xa0 + i, 0xff);
}

static void fill_welcome(struct message *m, enum sample_size size)
{
	m->welcome.version = WIRE_VERSION_MAX;
	m->welcome.features = pick_u32(size, 0, HELLO_VERIFY, HELLO_FEATURES);
}

static void fill_ram(struct manifest_ram *ram, enum sample_size size, uint32_t i)
{
	uint64_t most_bytes = LIMIT_RAM_BYTES / GW_MAX_RAM_BLOCKS;

	fill_text(ram->id, sizeof(ram->id), size, i ? "ram-high" : "ram", i);
	ram->size_bytes = pick(size, GW_PAGE_BYTES, i ? 512 * MIB : 2 * GIB, most_bytes);
	ram->gpa = pick(size, 0, i * 4 * GIB, 0 - (i + 1) * most_bytes); /* most: the last ends at 2^64 */
}

static void fill_device(struct manifest_device *device, enum sample_size size, uint32_t i)
{
	fill_text(device->id, sizeof(device->id), size, "dev0", i);
	device->info = (struct gw_device_info){
		.migration_flags = pick_u32(size, 0, GW_MIGRATION_STOP_COPY | GW_MIGRATION_PRE_COPY, UINT32_MAX),
		.features = pick_u32(size, 0, GW_FEATURE_RESET | GW_FEATURE_PCI | GW_FEATURE_DMA_LOG, UINT32_MAX),
		.nr_regions = pick_u32(size, 0, 9, UINT32_MAX),
		.nr_irqs = pick_u32(size, 0, 5, UINT32_MAX),
		.vendor_id = (uint16_t)pick(size, 0, 0x6764, UINT16_MAX),
		.device_id = (uint16_t)pick(size, 0, 0x0001, UINT16_MAX),
		.subsystem_vendor_id = (uint16_t)pick(size, 0, 0x6765, UINT16_MAX),
		.subsystem_device_id = (uint16_t)pick(size, 0, 0x0002, UINT16_MAX),
		.class_revision = pick_u32(size, 0, 0x08800001, UINT32_MAX),
		.max_dma_maps = pick_u32(size, 0, 65535, UINT32_MAX),
		.dma_page_sizes = pick(size, 0, GW_PAGE_BYTES, UINT64_MAX),
		.dirty_source = pick_u32(size, GW_DIRTY_NONE, GW_DIRTY_IOMMUFD, GW_DIRTY_TYPE1),
	};
	fill_text(device->info.backend, sizeof(device->info.backend), size, "vfio-user", i);
	fill_text(device->info.driver, sizeof(device->info.driver), size, "reference 1", i);
	device->stop_bytes = pick(size, 0, 3 * MIB, UINT64_MAX);
	device->flags = pick_u32(size, 0, MANIFEST_DEVICE_SIZES_KNOWN, MANIFEST_DEVICE_FLAGS);
}

static void fill_manifest(struct message *m, enum sample_size size)
{
	struct manifest *manifest = &m->manifest;

	fill_text(manifest->vm_name, sizeof(manifest->vm_name), size, "guest", 0);
	manifest->page_bytes = pick(size, GW_PAGE_BYTES, GW_PAGE_BYTES, GIB);
	manifest->nr_ram = pick_u32(size, 0, 2, GW_MAX_RAM_BLOCKS);
	manifest->nr_devices = pick_u32(size, 0, 1, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < manifest->nr_ram; i++)
		fill_ram(&manifest->ram[i], size, i);
	for (uint32_t i = 0; i < manifest->nr_devices; i++)
		fill_device(&manifest->devices[i], size, i);
}

static void fill_accept(struct message *m, enum sample_size size)
{
	m->accept.nr_devices = pick_u32(size, 0, 1, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < m->accept.nr_devices; i++)
		m->accept.window_bytes[i] = pick(size, 1, DEFAULT_DEVICE_WINDOW_BYTES, LIMIT_DEVICE_WINDOW_BYTES);
}

static void fill_refuse(struct message *m, enum sample_size size)
{
	m->refuse.nr = pick_u32(size, 1, 1, LIMIT_REASONS);
	for (uint32_t i = 0; i < m->refuse.nr; i++) {
		struct reason *reason = &m->refuse.list[i];

		reason->code = pick_u32(size, REASON_NO_MIGRATION, REASON_DEVICE_MISSING, REASON_HOST_LACKS);
		fill_text(reason->where, sizeof(reason->where), size, "dev0", i);
		fill_text(reason->what, sizeof(reason->what), size, "the destination has no device dev0", i);
	}
}

static void fill_loadable(struct message *m, enum sample_size size)
{
	m->loadable.nr_devices = pick_u32(size, 0, 1, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < m->loadable.nr_devices; i++)
		m->loadable.arc_ns[i] = pick(size, 0, 250 * NS_PER_MS, LIMIT_DURATION_NS);
}

static void fill_grant(struct message *m, enum sample_size size)
{
	m->grant.device = pick_u32(size, 0, 1, GW_MAX_DEVICES - 1);
	m->grant.bytes = pick(size, 0, MIB, LIMIT_DEVICE_WINDOW_BYTES);
	m->grant.loaded = pick(size, 0, 17, UINT64_MAX);
	m->grant.busy_ns = pick(size, 0, 2 * NS_PER_MS, LIMIT_DURATION_NS);
}

static void fill_initial_loaded(struct message *m, enum sample_size size)
{
	m->initial_loaded.device = pick_u32(size, 0, 1, GW_MAX_DEVICES - 1);
	m->initial_loaded.number = pick(size, 0, 12, UINT64_MAX);
}

static void fill_vm_state(struct message *m, enum sample_size size)
{
	static uint8_t bytes[LIMIT_VM_STATE_BYTES]; /* the first five are the vector's, written once */

	memcpy(bytes, "\x01\x00\xfe\x80\x7f", 5);
	m->vm_state.nr_bytes = pick_u32(size, 0, 5, LIMIT_VM_STATE_BYTES);
	m->vm_state.bytes = m->vm_state.nr_bytes ? bytes : NULL;
}

static void fill_needs(struct message *m, enum sample_size size)
{
	static uint8_t bytes[GW_MAX_NEEDS_BYTES];

	memcpy(bytes, "\x01\x00\x02\x40", 4);
	m->needs.nr_bytes = pick_u32(size, 0, 4, GW_MAX_NEEDS_BYTES);
	m->needs.bytes = m->needs.nr_bytes ? bytes : NULL;
}

static void fill_total(struct device_total *total, enum sample_size size)
{
	total->bytes = pick(size, 0, 3 * MIB + 7, UINT64_MAX);
	total->buffers = pick(size, 0, 4, UINT64_MAX);
	total->digest = pick(size, 0, 0x0123456789abcdef, UINT64_MAX);
}

static void fill_prepare(struct message *m, enum sample_size size)
{
	m->prepare.ram_frames = pick(size, 0, 1000, UINT64_MAX);
	m->prepare.ram_pages = pick(size, 0, 300000, UINT64_MAX);
	m->prepare.vm_state_bytes = pick(size, 0, 5, LIMIT_VM_STATE_BYTES);
	m->prepare.vm_state_digest = pick(size, 0, 0xfedcba9876543210, UINT64_MAX);
	m->prepare.nr_devices = pick_u32(size, 0, 1, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < m->prepare.nr_devices; i++)
		fill_total(&m->prepare.devices[i], size);
}

static void fill_ready(struct message *m, enum sample_size size)
{
	m->ready.last_byte_to_ready_ns = pick(size, 0, 12 * NS_PER_MS, LIMIT_DURATION_NS);
	m->ready.vm_state_digest = pick(size, 0, 0xfedcba9876543210, UINT64_MAX);
}

static void fill_failed(struct message *m, enum sample_size size)
{
	m->failed.code = size == SAMPLE_LEAST ? -1 : size == SAMPLE_PLAIN ? -EIO : -4095;
	fill_text(m->failed.where, sizeof(m->failed.where), size, "dev0", 0);
	fill_text(m->failed.what, sizeof(m->failed.what), size, "RESUMING -> STOP: refused by the device", 0);
}

static void fill_running(struct message *m, enum sample_size size)
{
	m->running.commit_to_running_ns = pick(size, 0, 7 * NS_PER_MS, LIMIT_DURATION_NS);
}

static void fill_loaded(struct device_loaded *loaded, enum sample_size size)
{
	loaded->load_ns = pick(size, 0, 9 * NS_PER_MS, LIMIT_DURATION_NS);
	loaded->nr_arcs = pick_u32(size, 0, 2, GW_MAX_ARCS);
	for (uint32_t i = 0; i < loaded->nr_arcs; i++) {
		loaded->arcs[i].from = (uint8_t)pick(size, 0, i ? GW_STATE_STOP : GW_STATE_RESUMING, GW_NR_STATES - 1);
		loaded->arcs[i].to = (uint8_t)pick(size, 0, i ? GW_STATE_RUNNING : GW_STATE_STOP, GW_NR_STATES - 1);
		loaded->arcs[i].ns = pick(size, 0, (i + 1) * NS_PER_MS, LIMIT_DURATION_NS);
	}
	fill_total(&loaded->total, size);
}

static void fill_summary(struct message *m, enum sample_size size)
{
	m->summary.peak_rss_bytes = pick(size, 0, 100 * MIB, UINT64_MAX);
	m->summary.ram_digest = pick(size, 0, 0x1122334455667788, UINT64_MAX);
	m->summary.nr_devices = pick_u32(size, 0, 1, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < m->summary.nr_devices; i++)
		fill_loaded(&m->summary.devices[i], size);
}

static void fill_resumed(struct message *m, enum sample_size size)
{
	struct message_resumed *resumed = &m->resumed;

	resumed->phase = pick_u32(size, RESUMED_LOADING, RESUMED_HAS_ALL, RESUMED_STARTING);
	resumed->nr_channels = pick_u32(size, 0, 2, GW_MAX_CHANNELS);
	for (uint32_t i = 0; i < resumed->nr_channels; i++)
		resumed->ram_frames[i] = pick(size, 0, 700 + i, UINT64_MAX);
	resumed->nr_devices = pick_u32(size, 0, 1, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < resumed->nr_devices; i++) {
		resumed->devices[i].next = pick(size, 0, 20, UINT64_MAX);
		resumed->devices[i].loaded = pick(size, 0, 17, UINT64_MAX);
		resumed->devices[i].initial_loaded = pick(size, 0, 13, UINT64_MAX);
	}
}

static void fill_nothing(struct message *m, enum sample_size size)
{
}

static void (*const fillers[])(struct message *m, enum sample_size size) = {
	[FRAME_HELLO] = fill_hello,       [FRAME_WELCOME] = fill_welcome,
	[FRAME_MANIFEST] = fill_manifest, [FRAME_ACCEPT] = fill_accept,
	[FRAME_REFUSE] = fill_refuse,     [FRAME_LOADABLE] = fill_loadable,
	[FRAME_GRANT] = fill_grant,       [FRAME_INITIAL_LOADED] = fill_initial_loaded,
	[FRAME_VM_STATE] = fill_vm_state, [FRAME_PREPARE] = fill_prepare,
	[FRAME_READY] = fill_ready,       [FRAME_FAILED] = fill_failed,
	[FRAME_COMMIT] = fill_nothing,    [FRAME_RUNNING] = fill_running,
	[FRAME_SUMMARY] = fill_summary,   [FRAME_CANCEL] = fill_nothing,
	[FRAME_PING] = fill_nothing,      [FRAME_RESUMED] = fill_resumed,
	[FRAME_NEEDS] = fill_needs,
};

void sample_message(struct message *message, uint16_t type, enum sample_size size)
{
	memset(message, 0, sizeof(*message));
	message->type = type;
	fillers[type](message, size);
}

static bool bytes_equal(const uint8_t *a, uint32_t nr_a, const uint8_t *b, uint32_t nr_b)
{
	return nr_a == nr_b && (!nr_a || !memcmp(a, b, nr_a));
}

bool sample_message_equal(const struct message *a, const struct message *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == FRAME_VM_STATE)
		return bytes_equal(a->vm_state.bytes, a->vm_state.nr_bytes, b->vm_state.bytes, b->vm_state.nr_bytes);
	if (a->type == FRAME_NEEDS)
		return bytes_equal(a->needs.bytes, a->needs.nr_bytes, b->needs.bytes, b->needs.nr_bytes);
	return !memcmp(a, b, sizeof(*a));
}
