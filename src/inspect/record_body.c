/* SPDX-License-Identifier: BSD-3-Clause */
/* Bodies of recorded frames, by the decoders of wire/. What they say is told, not judged: that was for the peers. */
#include "inspect/record_body.h"

#include "inspect/bounds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int take_hello(struct reading *r, struct gw_inspected_channel *channel, const struct message *message)
{
	static const char *const roles[] = {
		[ROLE_CONTROL] = "control", [ROLE_DATA] = "data", [ROLE_RESUME] = "resume"
	};
	struct gw_inspected_record *record = r->inspector->record;

	channel->role = roles[message->hello.role];
	channel->number = message->hello.channel;
	record->features = message->hello.features;
	memcpy(record->migration_id, message->hello.migration_id, sizeof(record->migration_id));
	return 0;
}

/* By its number in the manifest; without one they have no other name. */
static struct gw_inspected_device *find_device(struct reading *r, uint32_t number)
{
	struct gw_inspected_record *record = r->inspector->record;
	struct gw_inspected_device *device = (struct gw_inspected_device *)record->devices;

	for (uint32_t i = 0; i <= number; i++) {
		if (!device)
			device = arena_append(r->arena, struct gw_inspected_device, &record->devices, GW_MAX_DEVICES);
		if (!device)
			return NULL;
		if (!device->id[0])
			snprintf(device->id, sizeof(device->id), "device %u", i);
		if (i < number)
			device = (struct gw_inspected_device *)device->next;
	}
	return device;
}

static int take_manifest_device(struct reading *r, uint32_t number, const struct manifest_device *told)
{
	struct gw_inspected_device *device = find_device(r, number);

	if (!device)
		return -ENOMEM;
	snprintf(device->id, sizeof(device->id), "%s", told->id);
	snprintf(device->backend, sizeof(device->backend), "%s", told->info.backend);
	device->migration_flags = told->info.migration_flags;
	device->vendor_id = told->info.vendor_id;
	device->device_id = told->info.device_id;
	device->subsystem_vendor_id = told->info.subsystem_vendor_id;
	device->subsystem_device_id = told->info.subsystem_device_id;
	device->class_revision = told->info.class_revision;
	device->flags |= told->info.vendor_id ? GW_INSPECTED_PCI : 0;
	return 0;
}

static int take_manifest(struct reading *r, struct gw_inspected_channel *channel, const struct message *message)
{
	struct gw_inspected_record *record = r->inspector->record;
	const struct manifest *manifest = &message->manifest;
	int ret = 0;

	if (record->ram || record->vm_name[0])
		return 0; /* the first is it */
	memcpy(record->vm_name, manifest->vm_name, sizeof(record->vm_name));
	for (uint32_t i = 0; i < manifest->nr_ram; i++) {
		struct gw_inspected_ram *ram =
			arena_append(r->arena, struct gw_inspected_ram, &record->ram, GW_MAX_RAM_BLOCKS);

		if (!ram)
			return -ENOMEM;
		snprintf(ram->id, sizeof(ram->id), "%s", manifest->ram[i].id);
		ram->gpa = manifest->ram[i].gpa;
		ram->size_bytes = manifest->ram[i].size_bytes;
	}
	for (uint32_t i = 0; !ret && i < manifest->nr_devices; i++)
		ret = take_manifest_device(r, i, &manifest->devices[i]);
	return ret;
}

static int take_prepare(struct reading *r, struct gw_inspected_channel *channel, const struct message *message)
{
	const struct message_prepare *told = &message->prepare;
	struct gw_inspected_prepare *prepare = arena_zalloc(r->arena, sizeof(*prepare));

	if (!prepare)
		return -ENOMEM;
	prepare->ram_frames = told->ram_frames;
	prepare->ram_pages = told->ram_pages;
	prepare->vm_state_bytes = told->vm_state_bytes;
	for (uint32_t i = 0; i < told->nr_devices; i++)
		prepare->device_bytes += told->devices[i].bytes;
	r->inspector->record->prepare = prepare;
	return 0;
}

static const struct message_taker {
	uint16_t type;
	int (*take)(struct reading *r, struct gw_inspected_channel *channel, const struct message *message);
} takers[] = {
	{ FRAME_HELLO, take_hello },
	{ FRAME_MANIFEST, take_manifest },
	{ FRAME_PREPARE, take_prepare },
};

/* Every message is decoded, whether there is something in it to tell or not. */
static int take_message(struct reading *r, struct gw_inspected_channel *channel, uint16_t type, const uint8_t *body,
			size_t nr_bytes)
{
	struct message *message = malloc(sizeof(*message));
	int ret = message ? message_decode(type, body, nr_bytes, message) : -ENOMEM;

	for (size_t i = 0; !ret && i < ARRAY_SIZE(takers); i++)
		if (takers[i].type == type)
			ret = takers[i].take(r, channel, message);
	free(message);
	return ret;
}

/* A run may cross from block to block; each page is in one, or in none. */
static void count_pages(struct gw_inspected_record *record, const struct page_run *run)
{
	bool zero = run->flags & RUN_ZERO;
	uint64_t left = run->nr_pages;
	const struct gw_inspected_ram *block;

	for (block = record->ram; block; block = block->next) {
		struct gw_inspected_ram *ram = (struct gw_inspected_ram *)block;
		uint64_t last = run->gpa + (uint64_t)run->nr_pages * GW_PAGE_BYTES - 1;
		uint64_t ram_last = ram->gpa + (ram->size_bytes - 1), nr;

		if (last < ram->gpa || run->gpa > ram_last)
			continue;
		nr = (min_u64(last, ram_last) - max_u64(run->gpa, ram->gpa)) / GW_PAGE_BYTES + 1;
		nr = min_u64(nr, left);
		ram->pages[zero ? GW_PAGES_ZERO : GW_PAGES_NORMAL] += nr;
		left -= nr;
	}
	*(zero ? &record->stray_zero_pages : &record->stray_pages) += left;
}

static int take_ram(struct reading *r, struct gw_inspected_channel *channel, const struct frame_header *header,
		    const uint8_t *body)
{
	struct page_run runs[LIMIT_RUNS_A_FRAME];
	uint32_t nr;
	int ret = frame_runs_count(body, header->body_bytes, &nr);

	if (!ret && header->head_bytes != header->body_bytes && header->head_bytes != frame_runs_bytes(nr))
		ret = -EBADMSG;
	if (!ret)
		ret = frame_runs_decode(body, nr, header->body_bytes - frame_runs_bytes(nr), runs);
	if (ret)
		return ret;
	channel->ram_frames++;
	for (uint32_t i = 0; i < nr; i++) {
		*(runs[i].flags & RUN_ZERO ? &channel->ram_zero_pages : &channel->ram_pages) += runs[i].nr_pages;
		count_pages(r->inspector->record, &runs[i]);
	}
	return 0;
}

static int take_device(struct reading *r, const struct frame_header *header, const uint8_t *body)
{
	struct device_buffer_header buffer;
	struct gw_inspected_device *device;
	int ret = frame_device_decode(body, header->body_bytes, &buffer);
	uint64_t nr_bytes = header->body_bytes - FRAME_DEVICE_FIXED_BYTES;

	if (ret)
		return ret;
	device = find_device(r, buffer.device);
	if (!device)
		return -ENOMEM;
	*(buffer.flags & DEVICE_BUFFER_STOP_COPY ? &device->stop_copy_bytes : &device->precopy_bytes) += nr_bytes;
	device->initial_marks += !!(buffer.flags & DEVICE_BUFFER_INITIAL_END);
	device->nr_buffers++;
	return 0;
}

size_t record_body_look(const struct frame_header *header)
{
	switch (header->type) {
	case FRAME_RAM:
		return min_u64(header->body_bytes, frame_runs_bytes(LIMIT_RUNS_A_FRAME));
	case FRAME_DEVICE:
		return FRAME_DEVICE_FIXED_BYTES;
	case FRAME_VM_STATE:
		return 4;
	default:
		return header->body_bytes;
	}
}

int record_body_take(struct reading *r, struct gw_inspected_channel *channel, const struct frame_header *header,
		     const uint8_t *body, size_t nr_bytes)
{
	switch (header->type) {
	case FRAME_RAM:
		return take_ram(r, channel, header, body);
	case FRAME_DEVICE:
		return take_device(r, header, body);
	case FRAME_VM_STATE:
		r->inspector->record->vm_state_bytes += header->body_bytes - 4;
		return 0;
	case FRAME_END:
		return 0;
	default: /* those that are not known are optional: they say nothing */
		return frame_max_bytes(header->type) ? take_message(r, channel, header->type, body, nr_bytes) : 0;
	}
}
