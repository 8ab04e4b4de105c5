/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: vfio-user messages as fields of a trace. Input: u16 how much of it is the request, the rest the message
 * that answers it, or stands alone. What comes out has names, texts that end, and no more fields than there is room
 * for.
 */
#include "fuzz.h"

#include <errno.h>
#include <godwit/trace.h>
#include <stdlib.h>
#include <string.h>

/* A text is a literal of the decoder's, or ends in the room. */
static void check_fields(const struct gw_trace_field *fields, uint32_t nr, const char *room)
{
	fuzz_check(nr <= GW_TRACE_MAX_FIELDS);
	for (uint32_t i = 0; i < nr; i++) {
		const char *text = fields[i].text;

		fuzz_check(fields[i].name && fields[i].name[0] && fields[i].kind <= GW_TRACE_TEXT);
		if (fields[i].kind != GW_TRACE_TEXT)
			continue;
		fuzz_check(text);
		if (text >= room && text < room + GW_TRACE_ROOM_BYTES)
			fuzz_check(memchr(text, 0, (size_t)(room + GW_TRACE_ROOM_BYTES - text)));
		for (; *text; text++)
			fuzz_check(*text >= 0x20 && *text < 0x7f);
	}
}

static void decode(const uint8_t *message, size_t size, const uint8_t *request, size_t request_bytes)
{
	struct gw_trace_call call;
	char *room = malloc(GW_TRACE_ROOM_BYTES);
	int ret = gw_trace_decode(message, size, request, request_bytes, &call, room);

	fuzz_check(ret == 0 || ret == -EBADMSG);
	fuzz_check(ret || (call.kind && call.name && call.name[0]));
	check_fields(call.arguments, call.nr_arguments, room);
	check_fields(call.answers, call.nr_answers, room);
	free(room);
}

/* A copy of its exact size. */
static uint8_t *copy(const uint8_t *bytes, size_t size)
{
	uint8_t *copied = malloc(size ? size : 1);

	if (size)
		memcpy(copied, bytes, size);
	return copied;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *request, *message;
	uint16_t request_bytes;

	if (size < sizeof(request_bytes))
		return 0;
	memcpy(&request_bytes, data, sizeof(request_bytes));
	data += sizeof(request_bytes);
	size -= sizeof(request_bytes);
	if (request_bytes > size)
		request_bytes = (uint16_t)size;
	request = copy(data, request_bytes);
	message = copy(data + request_bytes, size - request_bytes);
	decode(message, size - request_bytes, request, request_bytes);
	decode(message, size - request_bytes, NULL, 0);
	decode(request, request_bytes, message, size - request_bytes);
	free(request);
	free(message);
	return 0;
}
