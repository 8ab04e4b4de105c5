/* SPDX-License-Identifier: BSD-3-Clause */
/* A QEMU stream's description: see qemu_description.h. Nothing in it is believed before a footer confirmed it. */
#include "inspect/qemu_description.h"

#include "inspect/bounds.h"
#include "inspect/input.h"
#include "inspect/qemu.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_BYTES    5u /* type, length */
#define MAX_PAGE_BITS 30

struct described {
	const char *name; /* json's */
	uint32_t instance;
	uint64_t bytes;
};

struct description {
	json_t *json;
	uint32_t page_bytes;
	uint32_t nr;
	struct described list[];
};

/* -1: a number that is none, or too large to be true. */
static int64_t size_at(const json_t *object, const char *key, int64_t absent)
{
	const json_t *value = json_object_get(object, key);
	json_int_t n = json_integer_value(value);

	if (!value)
		return absent;
	return json_is_integer(value) && n >= 0 && n <= UINT32_MAX ? n : -1;
}

/* Sizes add up saturated: a stream that long does not exist, and no footer will be found there. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX / 2 || b > UINT64_MAX / 2 ? UINT64_MAX / 2 : a + b;
}

static uint64_t fields_bytes(const json_t *fields)
{
	const json_t *field;
	uint64_t sum = 0;
	size_t i;

	json_array_foreach(fields, i, field)
	{
		int64_t size = size_at(field, "size", -1), nr = size_at(field, "array_len", 1);

		if (size < 0 || nr < 0)
			return UINT64_MAX / 2;
		sum = add(sum, (uint64_t)size * (uint64_t)nr);
	}
	return sum;
}

/* A section, or a subsection of one: jansson has bounded how deep they are nested. */
static uint64_t vmstate_bytes(const json_t *vmstate)
{
	uint64_t sum = fields_bytes(json_object_get(vmstate, "fields"));
	const json_t *sub;
	size_t i;

	json_array_foreach(json_object_get(vmstate, "subsections"), i, sub)
	{
		size_t name_bytes = json_string_length(json_object_get(sub, "vmsd_name"));

		sum = add(sum, add(1 + 1 + name_bytes + 4, vmstate_bytes(sub)));
	}
	return sum;
}

static void take_devices(struct description *description, const json_t *devices)
{
	const json_t *device;
	size_t i;

	json_array_foreach(devices, i, device)
	{
		const char *name = json_string_value(json_object_get(device, "name"));
		int64_t instance = size_at(device, "instance_id", 0);

		if (!name || instance < 0 || description->nr == BOUND_DESCRIBED)
			continue;
		description->list[description->nr++] = (struct described){ .name = name,
									   .instance = (uint32_t)instance,
									   .bytes = vmstate_bytes(device) };
	}
}

struct description *description_parse(const void *text, size_t nr_bytes)
{
	json_t *json = json_loadb(text, nr_bytes, 0, NULL);
	const json_t *devices = json_object_get(json, "devices");
	size_t nr = min_u64(json_array_size(devices), BOUND_DESCRIBED);
	int64_t page_bytes = size_at(json, "page_size", 0);
	struct description *description;

	if (!json_is_object(json) || !json_is_array(devices)) {
		json_decref(json);
		return NULL;
	}
	description = calloc(1, sizeof(*description) + nr * sizeof(description->list[0]));
	if (!description) {
		json_decref(json);
		return NULL;
	}
	description->json = json;
	if (page_bytes > 0 && page_bytes <= 1ll << MAX_PAGE_BITS && is_power_of_2((uint64_t)page_bytes))
		description->page_bytes = (uint32_t)page_bytes;
	take_devices(description, devices);
	return description;
}

void description_free(struct description *description)
{
	if (!description)
		return;
	json_decref(description->json);
	free(description);
}

/* The last bytes of the file, all or as many as a description may have; how many. */
static size_t read_tail(const struct input *in, uint8_t *tail, size_t room)
{
	uint64_t end = in->start + in->size_bytes;
	size_t want = min_u64(room, in->size_bytes), got = 0;

	while (got < want) {
		ssize_t n = pread(in->fd, tail + got, want - got, (off_t)(end - want + got));

		if (n <= 0)
			return 0; /* it will be said when the place is read in its turn */
		got += (size_t)n;
	}
	return got;
}

/* A length that leads to the last byte of the file, after EOF and the description's type, before a "{". */
static bool is_head(const uint8_t *at, const uint8_t *end)
{
	return at[0] == QEMU_EOF && at[1] == QEMU_DESCRIPTION && at[1 + HEAD_BYTES] == '{' &&
	       input_be32(at + 2) == (size_t)(end - at) - 1 - HEAD_BYTES;
}

struct description *description_at_end(const struct input *in)
{
	const size_t room = BOUND_DESCRIPTION_BYTES + 1 + HEAD_BYTES;
	uint8_t *tail = in->seekable ? malloc(room) : NULL;
	struct description *description = NULL;
	size_t nr = tail ? read_tail(in, tail, room) : 0;

	/* One try: no text of JSON holds the two bytes before it, so the last such place is it, or none is. */
	for (size_t at = nr > 1 + HEAD_BYTES ? nr - 1 - HEAD_BYTES : 0; at-- > 0;)
		if (is_head(tail + at, tail + nr)) {
			description = description_parse(tail + at + 1 + HEAD_BYTES, nr - at - 1 - HEAD_BYTES);
			break;
		}
	free(tail);
	return description;
}

uint32_t description_page_bytes(const struct description *description)
{
	return description->page_bytes;
}

uint64_t description_bytes(const struct description *description, const char *name, uint32_t instance)
{
	for (uint32_t i = 0; i < description->nr; i++)
		if (description->list[i].instance == instance && !strcmp(description->list[i].name, name))
			return description->list[i].bytes;
	return UINT64_MAX;
}
