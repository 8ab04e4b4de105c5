/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bodies of messages that have a file of their own; message.c's table calls them. encode writes what it is given
 * (a count over its bound makes the cursor bad); decode returns whether what it read is in range, and leaves it to
 * the caller to ask the cursor whether it was there at all.
 */
#ifndef WIRE_MESSAGE_BODY_H
#define WIRE_MESSAGE_BODY_H

#include "wire/cursor.h"
#include "wire/message.h"

#include <stdbool.h>

void message_manifest_encode(struct wire_out *out, const struct message *message);
bool message_manifest_decode(struct wire_in *in, struct message *message);
void message_refuse_encode(struct wire_out *out, const struct message *message);
bool message_refuse_decode(struct wire_in *in, struct message *message);

/* A count: bad if over max. What is returned can be looped to, whatever came. */
static inline uint32_t put_count(struct wire_out *out, uint32_t nr, uint32_t max)
{
	if (nr > max)
		out->bad = true;
	wire_put_u32(out, nr);
	return out->bad ? 0 : nr;
}

static inline uint32_t get_count(struct wire_in *in, uint32_t max)
{
	uint32_t nr = wire_get_u32(in);

	if (nr > max)
		in->bad = true;
	return in->bad ? 0 : nr;
}

#endif
