/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cursors over bytes: wire_in reads, wire_out writes, little-endian, fixed width. Both have a sticky error, so a
 * decoder or encoder reads like a list and is checked once at its end. A reader that has gone bad returns zeros.
 */
#ifndef WIRE_CURSOR_H
#define WIRE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_in {
	const uint8_t *at;
	size_t left;
	bool bad;
};

struct wire_out {
	uint8_t *start;
	size_t used, size;
	bool bad; /* did not fit */
};

struct wire_in wire_in(const void *buf, size_t size_bytes);
uint8_t wire_get_u8(struct wire_in *in);
uint16_t wire_get_u16(struct wire_in *in);
uint32_t wire_get_u32(struct wire_in *in);
uint64_t wire_get_u64(struct wire_in *in);
void wire_get_bytes(struct wire_in *in, void *buf, size_t size_bytes);
/* The next bytes where they lie, or NULL if there are not so many (or none are asked for). */
const uint8_t *wire_get_borrowed(struct wire_in *in, size_t size_bytes);
/* u16 length, then bytes. Bad if it holds a control character or does not fit with its end into size_bytes. */
void wire_get_text(struct wire_in *in, char *text, size_t size_bytes);
bool wire_in_ended(const struct wire_in *in); /* read to the last byte, and never bad */

struct wire_out wire_out(void *buf, size_t size_bytes);
void wire_put_u8(struct wire_out *out, uint8_t value);
void wire_put_u16(struct wire_out *out, uint16_t value);
void wire_put_u32(struct wire_out *out, uint32_t value);
void wire_put_u64(struct wire_out *out, uint64_t value);
void wire_put_bytes(struct wire_out *out, const void *buf, size_t size_bytes);
void wire_put_text(struct wire_out *out, const char *text);

#endif
