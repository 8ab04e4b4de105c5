/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A multifd channel of QEMU's: 64 bytes that say which one it is, then packets: pages of RAM (320 bytes, an offset a
 * page there is room for, and the pages' bytes), SYNC (the same without pages), or a buffer of a device's state.
 */
#include "inspect/bounds.h"
#include "inspect/qemu.h"
#include "inspect/qemu_vfio.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MULTIFD_VERSION   1u
#define INIT_BYTES        64u
#define RAM_HEAD_BYTES    320u /* of a RAM packet, its 12-byte header counted */
#define DEVICE_HEAD_BYTES 276u /* likewise */
#define BUFFER_HEAD_BYTES 12u  /* VFIO's, in front of the payload */
#define NAME_BYTES        256u
#define FLAG_SYNC         0x01u
#define FLAG_COMPRESSION  0x3eu
#define FLAG_DEVICE       0x40u
#define FLAGS             (FLAG_SYNC | FLAG_COMPRESSION | FLAG_DEVICE)
#define BUFFER_IS_CONFIG  1u
#define NO_INDEX          UINT32_MAX

/* A name in a field of 256 bytes: all printable, and ended. */
static bool get_name(const uint8_t field[NAME_BYTES], char name[GW_INSPECT_NAME_BYTES])
{
	size_t nr = strnlen((const char *)field, NAME_BYTES);

	if (nr == NAME_BYTES || !input_is_name(field, nr))
		return false;
	memcpy(name, field, nr);
	name[nr] = '\0';
	return true;
}

static struct gw_inspected_ram *find_block(struct reading *r, const char *id)
{
	struct gw_inspected_qemu *qemu = r->inspector->qemu;
	const struct gw_inspected_ram *known = qemu->ram;
	struct gw_inspected_ram *ram;

	while (known && strcmp(known->id, id))
		known = known->next;
	if (known || qemu->flags & GW_QEMU_HEADER) /* the main channel has the list */
		return (struct gw_inspected_ram *)known;
	ram = arena_append(r->arena, struct gw_inspected_ram, &qemu->ram, BOUND_RAM_BLOCKS);
	if (ram) {
		snprintf(ram->id, sizeof(ram->id), "%s", id);
		ram->gpa = UINT64_MAX;
	}
	return ram;
}

static int count(struct reading *r, struct gw_inspected_channel *channel, uint32_t type, const char *name,
		 uint64_t bytes)
{
	struct gw_inspected_count *count = (struct gw_inspected_count *)channel->types;

	while (count && count->type != type)
		count = (struct gw_inspected_count *)count->next;
	if (!count)
		count = arena_append(r->arena, struct gw_inspected_count, &channel->types, BOUND_COUNTS);
	if (!count)
		return -ENOMEM;
	count->type = type;
	count->name = name;
	count->nr++;
	count->bytes += bytes;
	channel->last = name;
	return 0;
}

/* After its header: what it says of pages. */
static int read_ram(struct reading *r, struct gw_inspected_channel *channel, uint32_t flags, uint64_t at)
{
	uint32_t room = input_u32(r->in), normal = input_u32(r->in), next_bytes = input_u32(r->in), zero;
	char id[GW_INSPECT_NAME_BYTES];
	struct gw_inspected_ram *ram;
	const uint8_t *name;

	input_skip(r->in, 8); /* the packet's number over all channels */
	zero = input_u32(r->in);
	input_skip(r->in, 4 + 24);
	name = input_take(r->in, NAME_BYTES);
	if (!name)
		return reading_check(r);
	if (room > BOUND_PACKET_PAGES || normal > room || zero > room - normal)
		return reading_damaged(r, at, "a packet with %u and %u pages, and room for %u", normal, zero, room);
	if (normal + zero) {
		if (!get_name(name, id))
			return reading_damaged(r, at, "a packet of pages without the name of their RAM block");
		ram = find_block(r, id);
		if (!ram)
			return reading_damaged(r, at, "a packet of a RAM block that is not in the list");
		ram->pages[GW_PAGES_MULTIFD] += normal;
		ram->pages[GW_PAGES_MULTIFD_ZERO] += zero;
	}
	input_skip(r->in, 8ull * room);
	input_skip(r->in, normal ? next_bytes : 0); /* without pages QEMU 7.2 leaves the number of the packet before */
	return reading_check(r) ? reading_check(r)
				: count(r, channel, flags & FLAG_SYNC ? FLAG_SYNC : 0,
					flags & FLAG_SYNC ? "SYNC" : "RAM", r->in->offset - at);
}

static int read_config(struct reading *r, struct vfio_state *state, uint32_t index, uint32_t nr_bytes, uint64_t at)
{
	const uint8_t *bytes;

	if (nr_bytes < 16 || nr_bytes > BOUND_PCI_STATE_BYTES)
		return reading_damaged(r, at, "a device's PCI state of %u bytes", nr_bytes);
	if (state->config_is_buffer)
		return reading_damaged(r, at, "a second PCI state of device %s", state->device->id);
	bytes = input_take(r->in, nr_bytes);
	if (!bytes)
		return reading_check(r);
	if (input_be64(bytes) != VFIO_CONFIG_STATE || input_be64(bytes + nr_bytes - 8) != VFIO_END_OF_STATE)
		return reading_damaged(r, at, "a device's PCI state without its tags");
	state->has_config = state->config_is_buffer = true;
	state->config_index = index;
	state->device->config_bytes = nr_bytes - 16;
	qemu_pci_state(bytes + 8, nr_bytes - 16, state->device);
	return 0;
}

/* After its header: whose it is, its length, VFIO's own header, and the state. */
static int read_device(struct reading *r, struct gw_inspected_channel *channel, uint64_t at)
{
	const uint8_t *field = input_take(r->in, NAME_BYTES);
	char name[GW_INSPECT_NAME_BYTES];
	bool is_name = field && get_name(field, name);
	uint32_t instance = input_u32(r->in), nr_bytes = input_u32(r->in);
	uint32_t version = input_u32(r->in), index = input_u32(r->in), flags = input_u32(r->in);
	struct vfio_state *state;
	int ret = reading_check(r);

	if (ret)
		return ret;
	if (!is_name || nr_bytes <= BUFFER_HEAD_BYTES)
		return reading_damaged(r, at, "a packet of a device without a name or without state");
	if (version || index == NO_INDEX || flags & ~BUFFER_IS_CONFIG)
		return reading_damaged(r, at, "a buffer of version %u, number %u, flags 0x%x", version, index, flags);
	state = qemu_vfio_state(r, name, instance);
	if (!state)
		return -EBADMSG;
	reading_begins(r, "buffer %u of device %.255s", index, name);
	state->device->flags |= GW_INSPECTED_MULTIFD;
	nr_bytes -= BUFFER_HEAD_BYTES;
	if (flags & BUFFER_IS_CONFIG) {
		ret = read_config(r, state, index, nr_bytes, at);
	} else {
		uint64_t from = r->in->offset;

		ret = qemu_vfio_piece(r, &state->channels,
				      (struct piece){ .nr_bytes = nr_bytes, .index = index, .is_stop_copy = true });
		state->device->stop_copy_bytes += r->in->offset - from;
		state->device->nr_buffers++;
	}
	return ret ? ret : count(r, channel, FLAG_DEVICE, "DEVICE_STATE", r->in->offset - at);
}

static int read_packet(struct reading *r, struct gw_inspected_channel *channel)
{
	uint64_t at = r->in->offset;
	uint32_t magic = input_u32(r->in), version = input_u32(r->in), flags = input_u32(r->in);
	int ret = reading_check(r);

	if (ret)
		return ret;
	if (magic != QEMU_MULTIFD_MAGIC)
		return reading_damaged(r, at, "a packet should begin here, and does not");
	if (version != MULTIFD_VERSION || flags & ~FLAGS || (flags & FLAG_DEVICE && flags & FLAG_SYNC))
		return reading_unknown(r, at, "a packet of version %u with the flags 0x%x", version, flags);
	reading_begins(r, "a packet of pages");
	return flags & FLAG_DEVICE ? read_device(r, channel, at) : read_ram(r, channel, flags, at);
}

int qemu_multifd_read(struct reading *r)
{
	struct gw_inspected_channel *channel = arena_append(r->arena, struct gw_inspected_channel,
							    &r->inspector->qemu->channels, GW_INSPECT_MAX_FILES);
	uint32_t version;
	int ret;

	if (!channel)
		return -ENOMEM;
	channel->file = r->file->name;
	channel->role = "multifd";
	reading_begins(r, "the head of a multifd channel");
	input_skip(r->in, 4);
	version = input_u32(r->in);
	input_skip(r->in, 16);
	channel->number = input_u8(r->in);
	input_skip(r->in, INIT_BYTES - 25);
	ret = reading_check(r);
	if (!ret && version != MULTIFD_VERSION)
		ret = reading_unknown(r, 4, "multifd in a form of version %u", version);
	while (!ret && !input_at_end(r->in)) {
		reading_begins(r, "the header of a packet");
		ret = read_packet(r, channel);
		channel->bytes = r->in->offset;
	}
	return ret ? ret : reading_check(r);
}
