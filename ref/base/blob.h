/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packing and unpacking the VM's state: little-endian, with sticky errors, so that a decoder reads like a list
 * and is checked once. The writer counts on beyond its buffer: the first pass with none tells the size.
 */
#ifndef REF_BASE_BLOB_H
#define REF_BASE_BLOB_H

#include <stddef.h>
#include <stdint.h>

struct blob_out {
	uint8_t *buf;
	size_t size_bytes;
	size_t used_bytes; /* may pass size_bytes: then nothing beyond it was written */
};

struct blob_in {
	const uint8_t *at;
	size_t left_bytes;
	int bad; /* more was asked for than came */
};

void blob_put_u32(struct blob_out *out, uint32_t value);
void blob_put_u64(struct blob_out *out, uint64_t value);
void blob_put_text(struct blob_out *out, const char *text);

/* A part with its size before it: end writes the size where begin left room, `begin` is what begin returned. */
size_t blob_begin(struct blob_out *out);
void blob_end(struct blob_out *out, size_t begin);

uint32_t blob_get_u32(struct blob_in *in);
uint64_t blob_get_u64(struct blob_in *in);
/* A text that does not fit text_bytes with its end is bad. What is not printable ASCII in it becomes '?'. */
void blob_get_text(struct blob_in *in, char *text, size_t text_bytes);
/* The next part, as a reader of its own. */
struct blob_in blob_get_part(struct blob_in *in);

/* All was read, and nothing was missing. */
int blob_ended(const struct blob_in *in);

#endif
