/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The frame: every byte on every channel is in one. A 32-byte header, little-endian, then a body.
 *
 *	off size
 *	  0    4  magic "GDWT"
 *	  4    2  type (enum frame_type)
 *	  6    2  flags (FRAME_*)
 *	  8    4  body_bytes: all that follows the header
 *	 12    4  head_bytes: how much of the body, from its start, the checksum covers
 *	 16    8  seq: 0, 1, 2, ... on this channel and direction
 *	 24    8  XXH3-64 of header bytes 0..23 and then the body's first head_bytes
 *
 * head_bytes is body_bytes for all frames but RAM sent while the guest runs: pages the guest may be writing
 * cannot be summed, so only the run list is.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "model/limits.h"
#include "model/page_run.h"

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER_BYTES 32u
#define FRAME_MAGIC        0x54574447u /* "GDWT" */

#define FRAME_OPTIONAL (1u << 0) /* a receiver that does not know the type skips the frame */
#define FRAME_FLAGS    FRAME_OPTIONAL

/* Types below 64 travel on the control channel, the others on data channels; HELLO opens every channel. */
enum frame_type {
	FRAME_HELLO = 1,
	FRAME_WELCOME = 2,
	FRAME_MANIFEST = 3,
	FRAME_ACCEPT = 4,
	FRAME_REFUSE = 5,
	FRAME_LOADABLE = 6,
	FRAME_GRANT = 7,
	FRAME_INITIAL_LOADED = 8,
	FRAME_VM_STATE = 9,
	FRAME_PREPARE = 10,
	FRAME_READY = 11,
	FRAME_FAILED = 12,
	FRAME_COMMIT = 13,
	FRAME_RUNNING = 14,
	FRAME_SUMMARY = 15,
	FRAME_CANCEL = 16,
	FRAME_PING = 17,
	FRAME_RESUMED = 18,
	FRAME_NEEDS = 19, /* always OPTIONAL: younger than version 1 */

	FRAME_RAM = 64,
	FRAME_DEVICE = 65,
	FRAME_END = 66,
	FRAME_FILLER = 67, /* means nothing, always OPTIONAL: everybody skips it. To see how fast the wire is */
};

struct frame_header {
	uint16_t type;
	uint16_t flags;
	uint32_t body_bytes;
	uint32_t head_bytes;
	uint64_t seq;
	uint64_t sum;
};

const char *frame_name(uint16_t type);   /* "PREPARE", "RAM"; "?" if unknown */
uint32_t frame_max_bytes(uint16_t type); /* the longest body a frame of this type may have; 0 if unknown */
uint16_t frame_flags(uint16_t type);     /* FRAME_*: those with which a frame of this type is sent */

/* Writes the 32 bytes; sum is taken as given. */
void frame_header_encode(uint8_t buf[FRAME_HEADER_BYTES], const struct frame_header *header);

/*
 * -EBADMSG: not a header (magic, flags, a body longer or shorter than its type may have, head_bytes that are neither
 * all of the body nor a run list). -EPROTONOSUPPORT: a type this version does not know, not marked optional.
 * 0 with an unknown type: skip the body, LIMIT_CONTROL_BYTES at most.
 */
int frame_header_decode(const uint8_t buf[FRAME_HEADER_BYTES], struct frame_header *header);

/* The sum a frame must carry: over the encoded header's first 24 bytes and the head in up to 2 pieces. */
uint64_t frame_sum(const uint8_t buf[FRAME_HEADER_BYTES], const void *head, size_t head_bytes, const void *more,
		   size_t more_bytes);

/* The same in steps, for a head that is in many pieces. */
struct frame_summer;
struct frame_summer *frame_summer_new(void); /* NULL: no memory */
void frame_summer_free(struct frame_summer *summer);
void frame_summer_begin(struct frame_summer *summer, const uint8_t buf[FRAME_HEADER_BYTES]);
void frame_summer_add(struct frame_summer *summer, const void *data, size_t size_bytes);
uint64_t frame_summer_end(struct frame_summer *summer);

/*
 * The body of a RAM frame: u32 nr_runs, u32 0, nr_runs × { u64 gpa, u32 nr_pages, u32 flags }, then the bytes of
 * the runs that are not zero, in order. All runs of a frame lie in one chunk, ascending, without overlap. Its
 * head_bytes are frame_runs_bytes(nr_runs) or the whole body; who reads the frame compares them once nr_runs is known.
 */
#define FRAME_RAM_FIXED_BYTES 8u
#define FRAME_RUN_BYTES       16u
#define FRAME_RAM_MAX_BYTES   (FRAME_RAM_FIXED_BYTES + LIMIT_RUNS_A_FRAME * FRAME_RUN_BYTES + LIMIT_CHUNK_BYTES)

/* The fixed part and the list: what encode writes. */
size_t frame_runs_bytes(uint32_t nr_runs);
void frame_runs_encode(uint8_t *buf, const struct page_run *runs, uint32_t nr_runs);
/*
 * Decodes nr_runs from the fixed part (first 8 bytes), checked against body_bytes; then, from what encode wrote (buf:
 * frame_runs_bytes(nr_runs), the fixed part first), the list, checked for sane runs, order, that they span no more than
 * a chunk's size, and that pages of payload = payload_bytes. 0 or -EBADMSG. The RAM map is not known here:
 * memory/apply checks it.
 */
int frame_runs_count(const uint8_t fixed[FRAME_RAM_FIXED_BYTES], uint32_t body_bytes, uint32_t *nr_runs);
int frame_runs_decode(const uint8_t *buf, uint32_t nr_runs, size_t payload_bytes, struct page_run *runs);

/* The fixed part of a DEVICE frame's body: 24 bytes, then up to LIMIT_DEVICE_BUFFER_BYTES of state. */
#define FRAME_DEVICE_FIXED_BYTES  24u
#define DEVICE_BUFFER_INITIAL_END (1u << 0) /* all initial bytes are in buffers up to this one */
#define DEVICE_BUFFER_LAST        (1u << 1) /* no buffer follows */
#define DEVICE_BUFFER_STOP_COPY   (1u << 2) /* read with the guest paused */
#define DEVICE_BUFFER_FLAGS       7u
#define FRAME_DEVICE_MAX_BYTES    (FRAME_DEVICE_FIXED_BYTES + LIMIT_DEVICE_BUFFER_BYTES)

struct device_buffer_header {
	uint32_t device; /* index in the manifest */
	uint32_t flags;  /* DEVICE_BUFFER_* */
	uint64_t number; /* 0, 1, 2, ... of this device */
	uint64_t sent;   /* bytes of this device's state in the buffers before this one */
};

/* A buffer without a byte is sane only if it carries a mark (INITIAL_END, LAST). */
void frame_device_encode(uint8_t buf[FRAME_DEVICE_FIXED_BYTES], const struct device_buffer_header *header);
int frame_device_decode(const uint8_t buf[FRAME_DEVICE_FIXED_BYTES], uint32_t body_bytes,
			struct device_buffer_header *header);

#endif
