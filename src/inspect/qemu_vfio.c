/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VFIO device's sections in QEMU's main channel: 64-bit tags, of which DATA and CONFIG have something behind them.
 * The config's length is not told: its END_OF_STATE is looked for.
 */
#include "inspect/qemu_vfio.h"

#include "inspect/bounds.h"
#include "inspect/qemu.h"
#include "inspect/qemu_section.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TAG_BYTES 8u

struct vfio_state *qemu_vfio_state(struct reading *r, const char *name, uint32_t instance)
{
	struct inspector *inspector = r->inspector;
	struct vfio_state **link = &inspector->states;
	struct gw_inspected_device *device;

	for (; *link; link = &(*link)->next)
		if ((*link)->device->instance == instance && !strcmp((*link)->device->id, name))
			return *link;
	device = arena_append(r->arena, struct gw_inspected_device, &inspector->qemu->devices, BOUND_DEVICES);
	if (device)
		*link = arena_zalloc(r->arena, sizeof(**link));
	if (!*link) {
		reading_no_room(r, "VFIO devices", BOUND_DEVICES);
		return NULL;
	}
	snprintf(device->id, sizeof(device->id), "%s", name);
	device->instance = instance;
	(*link)->device = device;
	return *link;
}

int qemu_vfio_piece(struct reading *r, struct pieces *pieces, struct piece piece)
{
	int ret;

	piece.offset = r->in->offset;
	piece.file = r->file_number;
	input_skip(r->in, piece.nr_bytes);
	ret = reading_check(r);
	if (ret)
		return ret;
	ret = pieces_add(pieces, &piece);
	return ret == -E2BIG ? reading_no_room(r, "pieces of a device's state", BOUND_PIECES) : ret;
}

static int read_data(struct qemu *q, struct vfio_state *state, enum qemu_element element)
{
	struct gw_inspected_device *device = state->device;
	uint64_t nr_bytes = input_u64(q->r->in), from = q->r->in->offset;
	struct piece piece = { .nr_bytes = nr_bytes, .is_stop_copy = element >= QEMU_SECTION_END };
	int ret = reading_check(q->r);

	if (ret || !nr_bytes)
		return ret;
	if (!piece.is_stop_copy && device->stop_copy_bytes)
		return reading_damaged(q->r, from, "state of a device that runs, after state of the device stopped");
	ret = qemu_vfio_piece(q->r, &state->main, piece);
	*(piece.is_stop_copy ? &device->stop_copy_bytes : &device->precopy_bytes) += q->r->in->offset - from;
	device->nr_buffers++;
	return ret;
}

/* All initial bytes are in the pieces up to here. */
static int read_mark(struct vfio_state *state)
{
	struct piece *last = state->main.nr ? &state->main.list[state->main.nr - 1] : NULL;

	state->device->initial_marks++;
	if (last && !last->is_stop_copy)
		last->initial_end = true;
	return 0;
}

/* Where its END_OF_STATE is, before a footer, or, without footers, before what may follow a section. */
static int read_config(struct qemu *q, struct vfio_state *state)
{
	struct input *in = q->r->in;
	uint64_t from = in->offset;
	const uint8_t *bytes;
	size_t nr = input_look(in, BOUND_PCI_STATE_BYTES, &bytes);

	for (size_t at = 0; at + TAG_BYTES <= nr; at++) {
		const uint8_t *next = bytes + at + TAG_BYTES;
		size_t left = nr - at - TAG_BYTES;

		if (input_be64(bytes + at) != VFIO_END_OF_STATE)
			continue;
		if (left && !qemu_section_footer_at(q, next, left) &&
		    !(q->footers == FOOTERS_NONE && qemu_section_may_follow(q, next, left)))
			continue;
		state->device->config_bytes = at;
		state->has_config = true;
		qemu_pci_state(bytes, at, state->device);
		input_skip(in, at);
		return 0;
	}
	if (nr < BOUND_PCI_STATE_BYTES)
		input_skip(in, nr + 1); /* the end of the file came first */
	return reading_check(q->r) ? reading_check(q->r)
				   : reading_damaged(q->r, from, "a device's PCI state without an end");
}

/* Tags until one that ends the section: END_OF_STATE, or one of those that stand without it. */
int qemu_vfio_read(struct qemu *q, enum qemu_element element)
{
	struct vfio_state *state = qemu_vfio_state(q->r, q->section->name, q->section->instance);
	int ret = state ? 0 : -EBADMSG;

	while (!ret) {
		uint64_t at = q->r->in->offset, tag = input_u64(q->r->in);

		ret = reading_check(q->r);
		if (ret)
			return ret;
		switch (tag) {
		case VFIO_END_OF_STATE:
			state->ended |= element == QEMU_SECTION_END;
			return 0;
		case VFIO_SETUP_STATE:
			break;
		case VFIO_DATA_STATE:
			ret = read_data(q, state, element);
			break;
		case VFIO_CONFIG_STATE:
			ret = read_config(q, state);
			break;
		case VFIO_INIT_DATA_SENT:
			return read_mark(state);
		case VFIO_CONFIG_LOAD_READY:
			return 0;
		default:
			ret = reading_damaged(q->r, at, "the tag 0x%" PRIx64 " in the state of a VFIO device", tag);
		}
	}
	return ret;
}
