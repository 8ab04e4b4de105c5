/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QEMU's main channel: magic, version, the configuration, then elements, each of which begins with a byte that says
 * what it is, up to EOF; behind it the description, and whatever else is in the file.
 */
#include "inspect/bounds.h"
#include "inspect/inspector.h"
#include "inspect/qemu.h"
#include "inspect/qemu_section.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COMMAND_POSTCOPY_ADVISE 3u
#define COMMAND_PACKAGED        7u
#define MIN_PAGE_BITS           10u
#define MAX_PAGE_BITS           20u

static const char *const commands[QEMU_NR_COMMANDS] = {
	[1] = "OPEN_RETURN_PATH",  [2] = "PING",
	[3] = "POSTCOPY_ADVISE",   [4] = "POSTCOPY_LISTEN",
	[5] = "POSTCOPY_RUN",      [6] = "POSTCOPY_RAM_DISCARD",
	[7] = "PACKAGED",          [8] = "ENABLE_COLO",
	[9] = "POSTCOPY_RESUME",   [10] = "RECV_BITMAP",
	[11] = "SWITCHOVER_START",
};

static int read_capabilities(struct qemu *q)
{
	uint32_t nr = input_u32(q->r->in);
	int ret = reading_check(q->r);

	while (!ret && nr--) {
		char name[GW_INSPECT_NAME_BYTES];
		uint64_t at = q->r->in->offset;
		bool is_name = input_text(q->r->in, name);
		struct gw_inspected_count *capability;

		ret = reading_check(q->r);
		if (!ret && !is_name)
			ret = reading_damaged(q->r, at, "the name of a capability is none");
		if (ret)
			break;
		capability = arena_append(q->r->arena, struct gw_inspected_count, &q->told->capabilities,
					  BOUND_CAPABILITIES);
		if (!capability)
			return reading_no_room(q->r, "capabilities", BOUND_CAPABILITIES);
		capability->name = arena_text(q->r->arena, name);
		if (!capability->name)
			return -ENOMEM;
		q->ignore_shared |= !strcmp(name, "x-ignore-shared");
		q->mapped_ram |= !strcmp(name, "mapped-ram");
	}
	if (q->mapped_ram)
		q->told->flags |= GW_QEMU_MAPPED_RAM;
	return ret;
}

static int read_page_bits(struct qemu *q)
{
	uint64_t at = q->r->in->offset;
	uint32_t bits = input_u32(q->r->in);
	int ret = reading_check(q->r);

	if (!ret && (bits < MIN_PAGE_BITS || bits > MAX_PAGE_BITS))
		ret = reading_damaged(q->r, at, "pages of 2^%u bytes", bits);
	if (!ret)
		q->told->page_bytes = 1u << bits;
	return ret;
}

static int read_uuid(struct qemu *q)
{
	const uint8_t *uuid = input_take(q->r->in, sizeof(q->told->uuid));

	if (!uuid)
		return reading_check(q->r);
	memcpy(q->told->uuid, uuid, sizeof(q->told->uuid));
	q->told->flags |= GW_QEMU_UUID;
	return 0;
}

/* u8 length, name, u32 version; then what the name says. */
static int read_config_part(struct qemu *q)
{
	static const struct config_part {
		const char *name;
		int (*read)(struct qemu *q);
	} parts[] = {
		{ "configuration/target-page-bits", read_page_bits },
		{ "configuration/capabilities", read_capabilities },
		{ "configuration/uuid", read_uuid },
	};
	uint64_t at = q->r->in->offset;
	char name[GW_INSPECT_NAME_BYTES];
	int ret;

	input_u8(q->r->in);
	input_text(q->r->in, name);
	input_u32(q->r->in);
	ret = reading_check(q->r);
	if (ret)
		return ret;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (!strcmp(name, parts[i].name))
			return parts[i].read(q);
	return reading_unknown(q->r, at, "\"%s\" in the configuration", name);
}

/* u32 length and the machine type, then subsections. */
static int read_configuration(struct qemu *q)
{
	struct input *in = q->r->in;
	uint64_t at = in->offset;
	const uint8_t *bytes;
	uint32_t nr_bytes;
	int ret;

	reading_begins(q->r, "the configuration");
	input_u8(in);
	nr_bytes = input_u32(in);
	if (nr_bytes >= sizeof(q->told->machine))
		return reading_damaged(q->r, at, "a machine type of %u characters", nr_bytes);
	bytes = input_take(in, nr_bytes);
	ret = reading_check(q->r);
	if (ret)
		return ret;
	if (!input_is_name(bytes, nr_bytes))
		return reading_damaged(q->r, at, "the name of the machine type is none");
	memcpy(q->told->machine, bytes, nr_bytes);
	q->told->flags |= GW_QEMU_CONFIG;
	while (!ret && input_look(in, 1, &bytes) && bytes[0] == QEMU_SUBSECTION)
		ret = read_config_part(q);
	return ret;
}

static struct gw_inspected_count *count_command(struct qemu *q, uint32_t number)
{
	struct gw_inspected_count *count = (struct gw_inspected_count *)q->told->commands;

	while (count && count->type != number)
		count = (struct gw_inspected_count *)count->next;
	if (!count)
		count = arena_append(q->r->arena, struct gw_inspected_count, &q->told->commands, BOUND_COUNTS);
	if (!count)
		return NULL;
	count->type = number;
	count->name = commands[number];
	count->nr++;
	return count;
}

/* u16 number, u16 length, data; a PACKAGED one's data is the length of a stream within the stream. */
static int read_command(struct qemu *q)
{
	struct input *in = q->r->in;
	uint64_t at = in->offset - 1;
	uint32_t number = input_u16(in), nr_bytes = input_u16(in);
	struct gw_inspected_count *count;
	int ret = reading_check(q->r);

	if (ret)
		return ret;
	if (!number || number >= QEMU_NR_COMMANDS)
		return reading_unknown(q->r, at, "command %u", number);
	count = count_command(q, number);
	if (!count)
		return -ENOMEM;
	reading_begins(q->r, "command %s", count->name);
	if (number == COMMAND_PACKAGED && nr_bytes == 4) {
		uint32_t packaged_bytes = input_u32(in);

		input_skip(in, packaged_bytes);
		q->told->packaged_bytes += packaged_bytes;
	} else {
		input_skip(in, nr_bytes);
	}
	count->bytes += in->offset - at;
	q->postcopy |= number == COMMAND_POSTCOPY_ADVISE;
	return reading_check(q->r);
}

/* Each section's length by the description that came after all of them. */
static void compare_with_description(struct qemu *q, const struct description *description)
{
	const struct gw_inspected_section *section;

	q->told->flags |= GW_QEMU_DESCRIPTION;
	for (section = q->told->sections; section; section = section->next)
		((struct gw_inspected_section *)section)->described_bytes =
			description_bytes(description, section->name, section->instance);
}

/* After EOF: perhaps the description, perhaps something that is no part of the stream. */
static int read_end(struct qemu *q)
{
	struct input *in = q->r->in;
	struct description *description;
	const uint8_t *bytes;
	uint32_t nr_bytes;
	int ret;

	q->told->flags |= GW_QEMU_EOF;
	if (input_look(in, 1, &bytes) && bytes[0] == QEMU_DESCRIPTION) {
		reading_begins(q->r, "the description");
		input_u8(in);
		nr_bytes = input_u32(in);
		q->told->description_bytes = nr_bytes;
		if (nr_bytes <= BOUND_DESCRIPTION_BYTES && input_look(in, nr_bytes, &bytes) == nr_bytes) {
			description = description_parse(bytes, nr_bytes);
			if (description)
				compare_with_description(q, description);
			description_free(description);
		}
		input_skip(in, nr_bytes);
		ret = reading_check(q->r);
		if (ret)
			return ret;
	}
	while (!input_at_end(in)) {
		size_t nr = input_look(in, 64 * KIB, &bytes);

		input_skip(in, nr);
		q->told->trailing_bytes += nr;
	}
	return reading_check(q->r);
}

static int read_elements(struct qemu *q)
{
	int ret = 0;

	while (!ret) {
		uint64_t at = q->r->in->offset;
		uint8_t element;

		reading_begins(q->r, "the stream: its end mark is missing");
		element = input_u8(q->r->in);
		ret = reading_check(q->r);
		if (ret)
			return ret;
		switch (element) {
		case QEMU_EOF:
			return read_end(q);
		case QEMU_SECTION_START:
		case QEMU_SECTION_PART:
		case QEMU_SECTION_END:
		case QEMU_SECTION_FULL:
			reading_begins(q->r, "the header of a section");
			ret = qemu_section_read(q, element);
			break;
		case QEMU_COMMAND:
			reading_begins(q->r, "a command");
			ret = read_command(q);
			break;
		default:
			ret = reading_damaged(q->r, at, "a section or a command should begin here, not 0x%02x",
					      element);
		}
	}
	return ret;
}

int qemu_stream_read(struct reading *r)
{
	struct gw_inspected_qemu *told = r->inspector->qemu;
	struct qemu q = { .r = r, .told = told, .description = description_at_end(r->in) };
	const uint8_t *bytes;
	int ret;

	told->flags |= GW_QEMU_HEADER;
	told->page_bytes = q.description ? description_page_bytes(q.description) : 0;
	if (!told->page_bytes)
		told->page_bytes = QEMU_PAGE_BYTES;
	reading_begins(r, "the header");
	input_skip(r->in, 4);
	told->version = input_u32(r->in);
	ret = reading_check(r);
	if (!ret && told->version != QEMU_VERSION)
		ret = reading_unknown(r, 4, "a stream of version %u", told->version);
	if (!ret && input_look(r->in, 1, &bytes) && bytes[0] == QEMU_CONFIGURATION)
		ret = read_configuration(&q);
	if (!ret)
		ret = read_elements(&q);
	description_free(q.description);
	return ret;
}
