/* SPDX-License-Identifier: BSD-3-Clause */
/* The values a message may hold, in numbers written by hand from doc/wire.md, not taken from the code's limits. */
#include "message_is_sane.h"

#include <string.h>

#define A_DAY_NS 86400000000000ull
#define MEBI     1048576ull

static bool text_is_sane(const char *text, size_t array_bytes)
{
	return memchr(text, 0, array_bytes);
}

static bool list_is_sane(uint32_t nr, const uint64_t *list, uint64_t least, uint64_t most)
{
	if (nr > 32)
		return false;
	for (uint32_t i = 0; i < nr; i++)
		if (list[i] < least || list[i] > most)
			return false;
	return true;
}

static bool hello_is_sane(const struct message *m)
{
	const struct message_hello *hello = &m->hello;

	if (!hello->version_min || hello->version_min > hello->version_max || hello->features > 15)
		return false;
	if (hello->nr_channels < 1 || hello->nr_channels > 32)
		return false;
	if (hello->role == 2)
		return hello->channel < hello->nr_channels;
	return !hello->channel && ((hello->role == 1 && !hello->epoch) || (hello->role == 3 && hello->epoch));
}

static bool welcome_is_sane(const struct message *m)
{
	return m->welcome.version != 0 && m->welcome.features <= 15;
}

static bool ram_is_sane(const struct manifest_ram *ram)
{
	return text_is_sane(ram->id, 64) && ram->size_bytes && ram->gpa % 4096 == 0 && ram->size_bytes % 4096 == 0 &&
	       ram->size_bytes <= 1ull << 46 && ram->gpa <= UINT64_MAX - ram->size_bytes + 1;
}

static bool device_is_sane(const struct manifest_device *device)
{
	return text_is_sane(device->id, 64) && text_is_sane(device->info.backend, 64) &&
	       text_is_sane(device->info.driver, 64) && device->info.dirty_source <= 3 && device->flags <= 3;
}

static bool manifest_is_sane(const struct message *m)
{
	const struct manifest *manifest = &m->manifest;
	uint64_t sum = 0;

	if (manifest->nr_ram > 64 || manifest->nr_devices > 32 || !text_is_sane(manifest->vm_name, 64))
		return false;
	for (uint32_t i = 0; i < manifest->nr_ram; i++) {
		if (!ram_is_sane(&manifest->ram[i]))
			return false;
		sum += manifest->ram[i].size_bytes;
	}
	for (uint32_t i = 0; i < manifest->nr_devices; i++)
		if (!device_is_sane(&manifest->devices[i]))
			return false;
	return sum <= 1ull << 46 && manifest->page_bytes >= 4096 && manifest->page_bytes <= 1u << 30 &&
	       __builtin_popcountll(manifest->page_bytes) == 1;
}

static bool accept_is_sane(const struct message *m)
{
	return list_is_sane(m->accept.nr_devices, m->accept.window_bytes, MEBI, 48 * MEBI);
}

static bool refuse_is_sane(const struct message *m)
{
	if (m->refuse.nr == 0 || m->refuse.nr > 32)
		return false;
	for (uint32_t i = 0; i < m->refuse.nr; i++) {
		const struct reason *reason = &m->refuse.list[i];

		if (reason->code == 0 || reason->code > 17)
			return false;
		if (!text_is_sane(reason->where, 64) || !text_is_sane(reason->what, 384))
			return false;
	}
	return true;
}

static bool loadable_is_sane(const struct message *m)
{
	return list_is_sane(m->loadable.nr_devices, m->loadable.arc_ns, 0, A_DAY_NS);
}

static bool grant_is_sane(const struct message *m)
{
	return m->grant.device < 32 && m->grant.bytes <= 48 * MEBI && m->grant.busy_ns <= A_DAY_NS;
}

static bool initial_loaded_is_sane(const struct message *m)
{
	return m->initial_loaded.device < 32;
}

static bool vm_state_is_sane(const struct message *m)
{
	return m->vm_state.nr_bytes <= 16 * MEBI && !m->vm_state.bytes == !m->vm_state.nr_bytes;
}

static bool needs_is_sane(const struct message *m)
{
	return m->needs.nr_bytes <= 16384 && !m->needs.bytes == !m->needs.nr_bytes;
}

static bool prepare_is_sane(const struct message *m)
{
	return m->prepare.nr_devices <= 32 && m->prepare.vm_state_bytes <= 16 * MEBI;
}

static bool ready_is_sane(const struct message *m)
{
	return m->ready.last_byte_to_ready_ns <= A_DAY_NS;
}

static bool failed_is_sane(const struct message *m)
{
	return m->failed.code < 0 && m->failed.code > -4096 && text_is_sane(m->failed.where, 64) &&
	       text_is_sane(m->failed.what, 384);
}

static bool running_is_sane(const struct message *m)
{
	return m->running.commit_to_running_ns <= A_DAY_NS;
}

static bool summary_is_sane(const struct message *m)
{
	if (m->summary.nr_devices > 32)
		return false;
	for (uint32_t i = 0; i < m->summary.nr_devices; i++) {
		const struct device_loaded *loaded = &m->summary.devices[i];

		if (loaded->nr_arcs > 16 || loaded->load_ns > A_DAY_NS)
			return false;
		for (uint32_t j = 0; j < loaded->nr_arcs; j++)
			if (loaded->arcs[j].from > 7 || loaded->arcs[j].to > 7 || loaded->arcs[j].ns > A_DAY_NS)
				return false;
	}
	return true;
}

static bool resumed_is_sane(const struct message *m)
{
	const struct message_resumed *resumed = &m->resumed;

	if (resumed->phase < 1 || resumed->phase > 3 || resumed->nr_channels > 32 || resumed->nr_devices > 32)
		return false;
	for (uint32_t i = 0; i < resumed->nr_devices; i++)
		if (resumed->devices[i].loaded > resumed->devices[i].next ||
		    resumed->devices[i].initial_loaded > resumed->devices[i].loaded)
			return false;
	return true;
}

static bool (*const rules[])(const struct message *m) = {
	[FRAME_HELLO] = hello_is_sane,       [FRAME_WELCOME] = welcome_is_sane,
	[FRAME_MANIFEST] = manifest_is_sane, [FRAME_ACCEPT] = accept_is_sane,
	[FRAME_REFUSE] = refuse_is_sane,     [FRAME_LOADABLE] = loadable_is_sane,
	[FRAME_GRANT] = grant_is_sane,       [FRAME_INITIAL_LOADED] = initial_loaded_is_sane,
	[FRAME_VM_STATE] = vm_state_is_sane, [FRAME_PREPARE] = prepare_is_sane,
	[FRAME_READY] = ready_is_sane,       [FRAME_FAILED] = failed_is_sane,
	[FRAME_RUNNING] = running_is_sane,   [FRAME_SUMMARY] = summary_is_sane,
	[FRAME_RESUMED] = resumed_is_sane,   [FRAME_NEEDS] = needs_is_sane,
};

/* A type without a rule has no body. */
bool message_is_sane(const struct message *message)
{
	return message->type >= ARRAY_SIZE(rules) || !rules[message->type] || rules[message->type](message);
}
