/* SPDX-License-Identifier: BSD-3-Clause */
/* Packing and unpacking the VM's state. */
#include "ref/base/blob.h"

#include <endian.h>
#include <string.h>

static void put(struct blob_out *out, const void *bytes, size_t size_bytes)
{
	size_t at = out->used_bytes;

	out->used_bytes += size_bytes;
	if (out->used_bytes <= out->size_bytes)
		memcpy(out->buf + at, bytes, size_bytes);
}

void blob_put_u32(struct blob_out *out, uint32_t value)
{
	value = htole32(value);
	put(out, &value, sizeof(value));
}

void blob_put_u64(struct blob_out *out, uint64_t value)
{
	value = htole64(value);
	put(out, &value, sizeof(value));
}

void blob_put_text(struct blob_out *out, const char *text)
{
	uint32_t length = (uint32_t)strlen(text);

	blob_put_u32(out, length);
	put(out, text, length);
}

size_t blob_begin(struct blob_out *out)
{
	size_t begin = out->used_bytes;

	blob_put_u32(out, 0);
	return begin;
}

void blob_end(struct blob_out *out, size_t begin)
{
	uint32_t size = htole32((uint32_t)(out->used_bytes - begin - sizeof(size)));

	if (begin + sizeof(size) <= out->size_bytes)
		memcpy(out->buf + begin, &size, sizeof(size));
}

/* NULL, and bad for good, where fewer are left. */
static const uint8_t *take(struct blob_in *in, size_t size_bytes)
{
	const uint8_t *at = in->at;

	if (in->bad || size_bytes > in->left_bytes) {
		in->bad = 1;
		return NULL;
	}
	in->at += size_bytes;
	in->left_bytes -= size_bytes;
	return at;
}

uint32_t blob_get_u32(struct blob_in *in)
{
	const uint8_t *at = take(in, sizeof(uint32_t));
	uint32_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

uint64_t blob_get_u64(struct blob_in *in)
{
	const uint8_t *at = take(in, sizeof(uint64_t));
	uint64_t value = 0;

	if (at)
		memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

/* The text is a peer's and may end up on somebody's terminal. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

void blob_get_text(struct blob_in *in, char *text, size_t text_bytes)
{
	uint32_t length = blob_get_u32(in);
	const uint8_t *at;

	text[0] = '\0';
	if (length >= text_bytes)
		in->bad = 1;
	at = take(in, length);
	if (!at)
		return;
	memcpy(text, at, length);
	text[length] = '\0';
	make_printable(text);
}

struct blob_in blob_get_part(struct blob_in *in)
{
	uint32_t size = blob_get_u32(in);
	const uint8_t *at = take(in, size);

	return (struct blob_in){ .at = at, .left_bytes = at ? size : 0, .bad = !at };
}

int blob_ended(const struct blob_in *in)
{
	return !in->bad && !in->left_bytes;
}
