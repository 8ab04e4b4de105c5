/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as the fields of a trace: see trace_fields.h. */
#include "device/trace_fields.h"

#include "base/bits.h"
#include "model/device_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES  16u
#define SHOWN_RANGES 4u
#define RANGE_BYTES  16u
#define TEXT_BYTES   400u /* two of them and all else fit into GW_TRACE_ROOM_BYTES */

struct trace_list trace_arguments(struct gw_trace_call *call, struct trace_room *room)
{
	return (struct trace_list){ .fields = call->arguments, .nr = &call->nr_arguments, .room = room };
}

struct trace_list trace_answers(struct gw_trace_call *call, struct trace_room *room)
{
	return (struct trace_list){ .fields = call->answers, .nr = &call->nr_answers, .room = room };
}

static void add(struct trace_list *list, struct gw_trace_field field)
{
	if (*list->nr < GW_TRACE_MAX_FIELDS)
		list->fields[(*list->nr)++] = field;
}

void trace_add_number(struct trace_list *list, const char *name, uint32_t kind, uint64_t number)
{
	add(list, (struct gw_trace_field){ .name = name, .kind = kind, .number = number });
}

void trace_add_text(struct trace_list *list, const char *name, const char *text)
{
	add(list, (struct gw_trace_field){ .name = name, .kind = GW_TRACE_TEXT, .text = text });
}

/* Appends to the text that began where the room was at `start`. */
__attribute__((format(printf, 2, 3))) static void put(struct trace_room *room, const char *fmt, ...)
{
	va_list args;
	int n;

	if (!room->left)
		return;
	va_start(args, fmt);
	n = vsnprintf(room->at, room->left, fmt, args);
	va_end(args);
	n = n < 0 ? 0 : (int)min_u64((uint64_t)n, room->left - 1);
	room->at += n;
	room->left -= (size_t)n;
}

/* Ends it: the next one begins behind its NUL. */
static void add_put(struct trace_list *list, const char *name, const char *start, uint64_t number)
{
	struct trace_room *room = list->room;
	struct gw_trace_field field = { .name = name, .kind = GW_TRACE_TEXT, .number = number, .text = "..." };

	if (room->left) {
		*room->at++ = 0;
		room->left--;
		field.text = start;
	}
	add(list, field);
}

static void add_flags(struct trace_list *list, const struct trace_row *row, uint64_t value)
{
	const char *start = list->room->at, *between = "";
	uint64_t left = value;

	for (const struct trace_name *name = row->names; name && name->name; name++) {
		if (!(left & name->value))
			continue;
		put(list->room, "%s%s", between, name->name);
		between = "|";
		left &= ~(uint64_t)name->value;
	}
	if (left)
		put(list->room, "%s%#" PRIx64, between, left);
	if (!value)
		put(list->room, "0");
	add_put(list, row->name, start, value);
}

static void add_named(struct trace_list *list, const char *name, const char *text, uint64_t value)
{
	add(list,
	    (struct gw_trace_field){
		    .name = name, .kind = text ? GW_TRACE_TEXT : GW_TRACE_NUMBER, .number = value, .text = text });
}

static const char *find_name(const struct trace_name *names, uint64_t value)
{
	for (; names && names->name; names++)
		if (names->value == value)
			return names->name;
	return NULL;
}

static void add_fd(struct trace_list *list, const struct trace_row *row, uint64_t value)
{
	const char *start = list->room->at;

	if ((int32_t)value >= 0) {
		trace_add_number(list, row->name, GW_TRACE_NUMBER, (uint32_t)value);
		return;
	}
	put(list->room, "%d", (int32_t)value);
	add_put(list, row->name, start, value);
}

void trace_add_value(struct trace_list *list, const struct trace_row *row, uint64_t value)
{
	switch (row->how) {
	case TRACE_AS_NAME:
		add_named(list, row->name, find_name(row->names, value), value);
		break;
	case TRACE_AS_STATE:
		add_named(list, row->name, value < GW_NR_STATES ? device_state_name((uint32_t)value) : NULL, value);
		break;
	case TRACE_AS_FLAGS:
		add_flags(list, row, value);
		break;
	case TRACE_AS_FD:
		add_fd(list, row, value);
		break;
	default:
		trace_add_number(list, row->name, row->how == TRACE_AS_HEX ? GW_TRACE_HEX : GW_TRACE_NUMBER, value);
	}
}

/* A stranger's text goes to a terminal: what is not plain ASCII is a question mark. */
static void add_text(struct trace_list *list, const char *name, const uint8_t *bytes, size_t size_bytes)
{
	const char *start = list->room->at;
	size_t shown = min_u64(strnlen((const char *)bytes, size_bytes), TEXT_BYTES);

	for (size_t i = 0; i < shown; i++)
		put(list->room, "%c", bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '?');
	if (shown == TEXT_BYTES)
		put(list->room, "...");
	add_put(list, name, start, 0);
}

static void add_bytes(struct trace_list *list, const char *name, const uint8_t *bytes, size_t size_bytes)
{
	const char *start = list->room->at;

	for (size_t i = 0; i < min_u64(size_bytes, SHOWN_BYTES); i++)
		put(list->room, "%02x", bytes[i]);
	if (size_bytes > SHOWN_BYTES)
		put(list->room, "...");
	add_put(list, name, start, 0);
}

static void add_ranges(struct trace_list *list, const char *name, const uint8_t *bytes, size_t size_bytes)
{
	const char *start = list->room->at;
	uint64_t range[2];

	for (size_t i = 0; i < min_u64(size_bytes / RANGE_BYTES, SHOWN_RANGES); i++) {
		memcpy(range, bytes + i * RANGE_BYTES, sizeof(range));
		put(list->room, "%s%#" PRIx64 "+%#" PRIx64, i ? " " : "", range[0], range[1]);
	}
	if (size_bytes / RANGE_BYTES > SHOWN_RANGES)
		put(list->room, " ...");
	add_put(list, name, start, 0);
}

static void add_rest(struct trace_list *list, const struct trace_row *row, const uint8_t *bytes, size_t size_bytes)
{
	if (row->how == TRACE_AS_TEXT)
		add_text(list, row->name, bytes, size_bytes);
	else if (row->how == TRACE_AS_BYTES)
		add_bytes(list, row->name, bytes, size_bytes);
	else if (size_bytes >= RANGE_BYTES)
		add_ranges(list, row->name, bytes, size_bytes);
}

void trace_add_rows(struct trace_list *list, const struct trace_row *rows, const void *bytes, size_t size_bytes)
{
	for (const struct trace_row *row = rows; row && row->name; row++) {
		const uint8_t *at = (const uint8_t *)bytes + row->offset;
		uint64_t value = 0;

		if (size_bytes <= row->offset || size_bytes - row->offset < row->width)
			continue;
		if (!row->width) {
			add_rest(list, row, at, size_bytes - row->offset);
			continue;
		}
		memcpy(&value, at, row->width); /* both the uAPI and vfio-user are in the host's order */
		trace_add_value(list, row, value);
	}
}
