/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A saved device state as bytes: doc/image.md. A file is a list of records, each a 32-byte header, little-endian, and
 * a body:
 *
 *	off size
 *	  0    4  magic "GDWI"
 *	  4    2  version of the format
 *	  6    2  type (enum image_record_type)
 *	  8    4  flags (IMAGE_BLOCK_*, IMAGE_OPTIONAL)
 *	 12    4  body_bytes: all that follows the header
 *	 16    8  number: 0, 1, 2, ... in this file
 *	 24    8  XXH3-64 of header bytes 0..23 and the body
 *
 * First a HEAD, then BLOCKs, last a TRAILER, and nothing after it. Pure functions; who reads and writes files is
 * src/image.
 */
#ifndef WIRE_IMAGE_H
#define WIRE_IMAGE_H

#include <godwit/image.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_MAGIC         0x49574447u /* "GDWI" */
#define IMAGE_RECORD_BYTES  32u
#define IMAGE_TRAILER_BYTES 48u
#define IMAGE_HEAD_MAX      1024u         /* the longest HEAD body fits */
#define IMAGE_OPTIONAL_MAX  (256u * 1024) /* body of a record that a reader may skip */

enum image_record_type {
	IMAGE_HEAD = 1,
	IMAGE_BLOCK = 2,
	IMAGE_TRAILER = 3,
};

#define IMAGE_BLOCK_STOP_COPY   (1u << 0)  /* read while the device was stopped */
#define IMAGE_BLOCK_INITIAL_END (1u << 1)  /* all initial bytes are in blocks up to this one */
#define IMAGE_OPTIONAL          (1u << 31) /* a reader that does not know the type skips the record */

struct image_record {
	uint16_t version;
	uint16_t type;
	uint32_t flags;
	uint32_t body_bytes;
	uint64_t number;
	uint64_t sum;
};

/* The trailer: what must have been read before it. */
struct image_trailer {
	uint64_t nr_blocks;
	uint64_t precopy_bytes;
	uint64_t stop_copy_bytes;
	uint64_t state_digest;   /* XXH3-64 of all device state, in order */
	uint64_t records_digest; /* XXH3-64 of the headers (32 bytes each, sums included) of all records before */
	uint64_t stopped_ns;     /* 0: not known */
};

/* "HEAD", "BLOCK", "TRAILER"; "?" for a number that is no type. */
const char *image_record_name(uint16_t type);

/* Writes the 32 bytes; sum is taken as given. */
void image_record_encode(uint8_t buf[IMAGE_RECORD_BYTES], const struct image_record *record);

/*
 * -EBADMSG: not a header (magic, flags, a body longer or shorter than its type may have). -EPROTONOSUPPORT: another
 * version than GW_IMAGE_VERSION (record->version says which), or a type that is not known and not marked optional.
 * 0 with an unknown type: skip the body.
 */
int image_record_decode(const uint8_t buf[IMAGE_RECORD_BYTES], struct image_record *record);

/* The sum a record must carry: over the encoded header's first 24 bytes and the body. */
uint64_t image_record_sum(const uint8_t buf[IMAGE_RECORD_BYTES], const void *body, size_t body_bytes);

/* The body of a HEAD. encode: its length, or -EMSGSIZE; texts are cut to fit and cleaned. decode: 0 or -EBADMSG. */
int image_head_encode(const struct gw_image_head *head, uint8_t *buf, size_t size_bytes);
int image_head_decode(const uint8_t *buf, size_t size_bytes, struct gw_image_head *head);

void image_trailer_encode(uint8_t buf[IMAGE_TRAILER_BYTES], const struct image_trailer *trailer);
int image_trailer_decode(const uint8_t *buf, size_t size_bytes, struct image_trailer *trailer);

/* What the caller of the library sees of it. */
struct gw_image_totals image_totals(const struct image_trailer *trailer, uint64_t file_bytes);

#endif
