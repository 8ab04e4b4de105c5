/* SPDX-License-Identifier: BSD-3-Clause */
/* Sections of a QEMU stream: see qemu_section.h. */
#include "inspect/qemu_section.h"

#include "inspect/bounds.h"

#include <errno.h>
#include <string.h>

static struct gw_inspected_section *find(const struct qemu *q, uint32_t id)
{
	const struct gw_inspected_section *section = q->told->sections;

	while (section && section->id != id)
		section = section->next;
	return (struct gw_inspected_section *)section;
}

static bool ends_in(const char *name, const char *end)
{
	size_t name_bytes = strlen(name), end_bytes = strlen(end);

	return name_bytes >= end_bytes && !strcmp(name + name_bytes - end_bytes, end);
}

bool qemu_section_may_follow(const struct qemu *q, const uint8_t *bytes, size_t nr_bytes)
{
	size_t name_bytes;

	if (!nr_bytes) /* cut short right there */
		return true;
	switch (bytes[0]) {
	case QEMU_EOF:
		return nr_bytes == 1 || bytes[1] == QEMU_DESCRIPTION;
	case QEMU_SECTION_PART:
	case QEMU_SECTION_END:
		return nr_bytes < 5 || find(q, input_be32(bytes + 1));
	case QEMU_SECTION_START:
	case QEMU_SECTION_FULL:
		name_bytes = nr_bytes > 5 ? bytes[5] : 1;
		return name_bytes && (nr_bytes < 6 + name_bytes || input_is_name(bytes + 6, name_bytes));
	case QEMU_COMMAND:
		return nr_bytes < 3 || (bytes[1] == 0 && bytes[2] && bytes[2] < QEMU_NR_COMMANDS);
	default:
		return false;
	}
}

bool qemu_section_footer_at(const struct qemu *q, const uint8_t *bytes, size_t nr_bytes)
{
	return nr_bytes >= QEMU_FOOTER_BYTES && bytes[0] == QEMU_FOOTER && input_be32(bytes + 1) == q->section->id &&
	       qemu_section_may_follow(q, bytes + QEMU_FOOTER_BYTES, nr_bytes - QEMU_FOOTER_BYTES);
}

/* The first section with a footer, or without, decides for the stream. */
static int read_footer(struct qemu *q)
{
	struct reading *r = q->r;
	uint64_t at = r->in->offset;
	const uint8_t *bytes;
	bool there = input_look(r->in, QEMU_FOOTER_BYTES, &bytes) == QEMU_FOOTER_BYTES && bytes[0] == QEMU_FOOTER &&
		     input_be32(bytes + 1) == q->section->id;

	if (q->footers == FOOTERS_UNKNOWN && !input_at_end(r->in))
		q->footers = there ? FOOTERS_THERE : FOOTERS_NONE;
	if (q->footers == FOOTERS_THERE)
		q->told->flags |= GW_QEMU_FOOTERS;
	if (q->footers != FOOTERS_THERE)
		return 0;
	if (there || input_look(r->in, QEMU_FOOTER_BYTES, &bytes) < QEMU_FOOTER_BYTES)
		input_take(r->in, QEMU_FOOTER_BYTES);
	else
		return reading_damaged(r, at, "the footer of section %u \"%s\" should be here, and is not",
				       q->section->id, q->section->name);
	return reading_check(r);
}

/* To the next footer that is one. A payload may be longer than the window, a footer and what follows may not. */
static int look_for_footer(struct qemu *q, uint64_t from)
{
	struct input *in = q->r->in;

	while (!input_at_end(in)) {
		const uint8_t *bytes, *mark;
		size_t nr = input_look(in, 64 * KIB, &bytes);
		size_t look = nr == 64 * KIB ? nr - QEMU_SECTION_LOOK : nr; /* how far one may begin */

		for (size_t at = 0; at < look; at = (size_t)(mark - bytes) + 1) {
			mark = memchr(bytes + at, QEMU_FOOTER, look - at);
			if (!mark)
				break;
			if (!qemu_section_footer_at(q, mark, nr - (size_t)(mark - bytes)))
				continue;
			input_skip(in, (uint64_t)(mark - bytes));
			return 0;
		}
		input_skip(in, look);
	}
	if (in->error)
		return in->error;
	return reading_damaged(q->r, from,
			       "no end of section %u \"%s\", which begins here, was found up to the end of the file",
			       q->section->id, q->section->name);
}

/* Where the description says that it ends: 0 with *found whether it does. */
static int try_description(struct qemu *q, uint64_t from, bool *found)
{
	struct input *in = q->r->in;
	uint64_t nr_bytes = q->section->described_bytes;
	const uint8_t *bytes;
	size_t nr;

	*found = false;
	if (nr_bytes == UINT64_MAX || from > in->size_bytes || nr_bytes > in->size_bytes - from)
		return 0;
	input_skip(in, nr_bytes);
	nr = input_look(in, QEMU_SECTION_LOOK, &bytes);
	*found = q->footers == FOOTERS_NONE ? qemu_section_may_follow(q, bytes, nr)
					    : qemu_section_footer_at(q, bytes, nr);
	if (!*found)
		input_seek(in, from);
	return in->error;
}

static int measure(struct qemu *q, enum qemu_element element)
{
	uint64_t from = q->r->in->offset;
	bool found = false;
	int ret = 0;

	if (element == QEMU_SECTION_FULL && q->description)
		ret = try_description(q, from, &found);
	if (ret)
		return ret;
	if (found) {
		q->section->measured = q->section->measured > GW_MEASURED_BY_DESCRIPTION ? q->section->measured
											 : GW_MEASURED_BY_DESCRIPTION;
		return 0;
	}
	if (q->footers == FOOTERS_NONE)
		return reading_unknown(q->r, from,
				       "where section %u \"%s\" ends is told by nothing here: the stream has "
				       "no footers, and no description of it",
				       q->section->id, q->section->name);
	q->section->measured = GW_MEASURED_BY_FOOTER;
	return look_for_footer(q, from);
}

static int read_payload(struct qemu *q, enum qemu_element element)
{
	int ret;

	if (!strcmp(q->section->name, "ram"))
		ret = qemu_ram_read(q, element);
	else if (ends_in(q->section->name, "/vfio"))
		ret = qemu_vfio_read(q, element);
	else
		return measure(q, element);
	if (!ret && !q->section->measured)
		q->section->measured = GW_MEASURED_BY_LAYOUT;
	return ret;
}

/* START and FULL name the section; a device may have both, with one id. */
static int begin(struct qemu *q, uint32_t id, uint64_t at)
{
	struct gw_inspected_section *section = find(q, id);
	struct reading *r = q->r;
	char name[GW_INSPECT_NAME_BYTES];
	bool is_name = input_text(r->in, name);
	uint32_t instance = input_u32(r->in), version = input_u32(r->in);
	int ret = reading_check(r);

	if (ret)
		return ret;
	if (!is_name)
		return reading_damaged(r, at, "the name of section %u is none", id);
	if (section && (strcmp(section->name, name) || section->instance != instance))
		return reading_damaged(r, at, "section %u is \"%s\" here, and was \"%s\" before", id, name,
				       section->name);
	if (!section) {
		section = arena_append(r->arena, struct gw_inspected_section, &q->told->sections, BOUND_SECTIONS);
		if (!section)
			return reading_no_room(r, "sections", BOUND_SECTIONS);
		*section = (struct gw_inspected_section){
			.id = id, .instance = instance, .version = version, .offset = at, .described_bytes = UINT64_MAX
		};
		memcpy(section->name, name, sizeof(name));
		if (q->description)
			section->described_bytes = description_bytes(q->description, name, instance);
	}
	q->section = section;
	return 0;
}

int qemu_section_read(struct qemu *q, enum qemu_element element)
{
	struct reading *r = q->r;
	uint64_t at = r->in->offset - 1, from;
	uint32_t id = input_u32(r->in);
	int ret = reading_check(r);

	if (ret)
		return ret;
	if (element == QEMU_SECTION_START || element == QEMU_SECTION_FULL)
		ret = begin(q, id, at);
	else
		q->section = find(q, id);
	if (ret)
		return ret;
	if (!q->section)
		return reading_damaged(r, at, "a part of section %u, which did not begin", id);
	reading_begins(r, "section %u \"%s\"", id, q->section->name);
	q->section->nr_parts++;
	from = r->in->offset;
	ret = read_payload(q, element);
	q->section->bytes += r->in->offset - from;
	return ret ? ret : read_footer(q);
}
