/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Streams made by hand, for inspect: bytes are put one after the other, big-endian as QEMU's are, and inspected twice,
 * as a file and from a pipe, which must tell the same.
 */
#ifndef TEST_INSPECT_RIG_H
#define TEST_INSPECT_RIG_H

#include <godwit/inspect.h>
#include <stddef.h>
#include <stdint.h>

#define RIG_BYTES (256u * 1024) /* what a pipe can be made to hold */

struct rig_stream {
	size_t used;
	uint8_t bytes[RIG_BYTES];
};

void rig_u8(struct rig_stream *s, uint8_t value);
void rig_u16(struct rig_stream *s, uint16_t value);
void rig_u32(struct rig_stream *s, uint32_t value);
void rig_u64(struct rig_stream *s, uint64_t value);
void rig_bytes(struct rig_stream *s, const void *bytes, size_t nr_bytes);
void rig_fill(struct rig_stream *s, uint8_t byte, size_t nr_bytes);
void rig_name(struct rig_stream *s, const char *name); /* u8 length first */

/* Parts of QEMU's main channel. */
void rig_header(struct rig_stream *s);
void rig_begin(struct rig_stream *s, uint8_t element, uint32_t id, const char *name, uint32_t version);
void rig_part(struct rig_stream *s, uint8_t element, uint32_t id);
void rig_footer(struct rig_stream *s, uint32_t id);
void rig_end(struct rig_stream *s, const char *description); /* EOF; description NULL: none */

/* A file that holds the stream, at its start. */
int rig_file(const struct rig_stream *s);

/*
 * Inspects streams that belong together, from files and from pipes; the verdicts must be the same. The fds of *fds,
 * nr of them, are those of the files, for an extraction. Returns what reading the files told.
 */
const struct gw_inspection *rig_inspect(const struct rig_stream *streams, uint32_t nr, int *fds);

/* One stream, its fd closed again. */
const struct gw_inspection *rig_look(const struct rig_stream *stream);

#endif
