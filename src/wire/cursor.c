/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cursors over bytes, little-endian by shifts: no alignment and no byte order of the host shows. Both cursors fail
 * once and for good, so what is read after an error is zero and what is written after one is dropped.
 */
#include "wire/cursor.h"

#include <string.h>

struct wire_in wire_in(const void *buf, size_t size_bytes)
{
	return (struct wire_in){ .at = buf, .left = size_bytes };
}

/* The next bytes, or NULL if there are not so many. */
static const uint8_t *take(struct wire_in *in, size_t size_bytes)
{
	const uint8_t *at = in->at;

	if (in->bad || in->left < size_bytes) {
		in->bad = true;
		return NULL;
	}
	in->at += size_bytes;
	in->left -= size_bytes;
	return at;
}

static uint64_t get(struct wire_in *in, size_t size_bytes)
{
	const uint8_t *at = take(in, size_bytes);
	uint64_t value = 0;

	for (size_t i = 0; at && i < size_bytes; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

uint8_t wire_get_u8(struct wire_in *in)
{
	return (uint8_t)get(in, 1);
}

uint16_t wire_get_u16(struct wire_in *in)
{
	return (uint16_t)get(in, 2);
}

uint32_t wire_get_u32(struct wire_in *in)
{
	return (uint32_t)get(in, 4);
}

uint64_t wire_get_u64(struct wire_in *in)
{
	return get(in, 8);
}

const uint8_t *wire_get_borrowed(struct wire_in *in, size_t size_bytes)
{
	return size_bytes ? take(in, size_bytes) : NULL;
}

void wire_get_bytes(struct wire_in *in, void *buf, size_t size_bytes)
{
	const uint8_t *at = wire_get_borrowed(in, size_bytes);

	if (!size_bytes)
		return;
	if (at)
		memcpy(buf, at, size_bytes);
	else
		memset(buf, 0, size_bytes);
}

/* What no text may hold: it may end up on somebody's terminal. */
static bool is_control(uint8_t c)
{
	return c < 0x20 || c == 0x7f;
}

void wire_get_text(struct wire_in *in, char *text, size_t size_bytes)
{
	size_t length = wire_get_u16(in);
	const uint8_t *at = length < size_bytes ? take(in, length) : NULL;

	memset(text, 0, size_bytes);
	for (size_t i = 0; at && i < length; i++)
		if (is_control(at[i]))
			at = NULL;
	if (!at) {
		in->bad = true;
		return;
	}
	if (length)
		memcpy(text, at, length);
}

bool wire_in_ended(const struct wire_in *in)
{
	return !in->bad && !in->left;
}

struct wire_out wire_out(void *buf, size_t size_bytes)
{
	return (struct wire_out){ .start = buf, .size = size_bytes };
}

/* Room for the next bytes, or NULL if there is not so much. */
static uint8_t *make_room(struct wire_out *out, size_t size_bytes)
{
	uint8_t *at;

	if (out->bad || out->size - out->used < size_bytes) {
		out->bad = true;
		return NULL;
	}
	at = out->start + out->used;
	out->used += size_bytes;
	return at;
}

static void put(struct wire_out *out, uint64_t value, size_t size_bytes)
{
	uint8_t *at = make_room(out, size_bytes);

	for (size_t i = 0; at && i < size_bytes; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

void wire_put_u8(struct wire_out *out, uint8_t value)
{
	put(out, value, 1);
}

void wire_put_u16(struct wire_out *out, uint16_t value)
{
	put(out, value, 2);
}

void wire_put_u32(struct wire_out *out, uint32_t value)
{
	put(out, value, 4);
}

void wire_put_u64(struct wire_out *out, uint64_t value)
{
	put(out, value, 8);
}

void wire_put_bytes(struct wire_out *out, const void *buf, size_t size_bytes)
{
	uint8_t *at = size_bytes ? make_room(out, size_bytes) : NULL;

	if (at)
		memcpy(at, buf, size_bytes);
}

void wire_put_text(struct wire_out *out, const char *text)
{
	size_t length = strlen(text);

	if (length > UINT16_MAX) {
		out->bad = true;
		return;
	}
	wire_put_u16(out, (uint16_t)length);
	for (size_t i = 0; i < length; i++)
		wire_put_u8(out, is_control((uint8_t)text[i]) ? '?' : (uint8_t)text[i]);
}
