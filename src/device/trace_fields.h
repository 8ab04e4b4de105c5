/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bytes as the fields of a trace, by tables of rows: what a field is called, where it is, how it is to be shown. The
 * bytes may be anybody's and any length: a row that they do not reach is left out. Pure functions, any thread.
 */
#ifndef DEVICE_TRACE_FIELDS_H
#define DEVICE_TRACE_FIELDS_H

#include <godwit/trace.h>
#include <stddef.h>
#include <stdint.h>

enum trace_how {
	TRACE_AS_NUMBER = 0,
	TRACE_AS_HEX,
	TRACE_AS_NAME,   /* of `names`, else a number */
	TRACE_AS_FLAGS,  /* of `names`, with | between them, what is left over in hex */
	TRACE_AS_STATE,  /* of a device */
	TRACE_AS_FD,     /* int32_t, negative as it is */
	TRACE_AS_TEXT,   /* all that follows, to the first NUL */
	TRACE_AS_BYTES,  /* the first 16 of all that follows */
	TRACE_AS_RANGES, /* all that follows, pairs of address and size */
};

struct trace_name {
	uint32_t value;
	const char *name;
};

/* A list of them is ended by a row without a name, a list of names by one. */
struct trace_row {
	const char *name;
	uint16_t offset;
	uint8_t width; /* 2, 4, 8; 0 for what takes all that follows */
	uint8_t how;   /* enum trace_how */
	const struct trace_name *names;
};

/* Where text goes that is no literal. What no longer fits is cut. */
struct trace_room {
	char *at;
	size_t left;
};

/* One of a call's two lists. */
struct trace_list {
	struct gw_trace_field *fields;
	uint32_t *nr;
	struct trace_room *room;
};

struct trace_list trace_arguments(struct gw_trace_call *call, struct trace_room *room);
struct trace_list trace_answers(struct gw_trace_call *call, struct trace_room *room);

/* A field more; one that no longer fits is dropped. text is a literal, or in the room. */
void trace_add_number(struct trace_list *list, const char *name, uint32_t kind, uint64_t number);
void trace_add_text(struct trace_list *list, const char *name, const char *text);

/* The rows that the bytes reach; rows may be NULL. */
void trace_add_rows(struct trace_list *list, const struct trace_row *rows, const void *bytes, size_t size_bytes);
void trace_add_value(struct trace_list *list, const struct trace_row *row, uint64_t value);

#endif
