/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stream of the fake kernel device: records, the first of which pre-copy may send, then the state and an end with a
 * checksum of all before it. A save session's stream is filled by the device and read by the user, a load session's the
 * other way round.
 */
#ifndef TEST_CHECK_FAKE_STREAM_H
#define TEST_CHECK_FAKE_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FAKE_MEMORY_BYTES 4096

struct fake_memory {
	uint8_t bytes[FAKE_MEMORY_BYTES];
};

struct fake_stream {
	uint8_t *bytes;
	size_t size, position;
	size_t initial_bytes; /* of pre-copy, as they were put */
};

int fake_stream_put_initial(struct fake_stream *stream);
/* spoiled: without its end. */
int fake_stream_put_state(struct fake_stream *stream, const struct fake_memory *memory, bool spoiled);
bool fake_stream_ended(const struct fake_stream *stream); /* all that was put is read */
size_t fake_stream_state_bytes(void);

size_t fake_stream_read(struct fake_stream *stream, void *buf, size_t size);
/* What is more than any good stream is -ENOSPC. */
ssize_t fake_stream_write(struct fake_stream *stream, const void *buf, size_t size);
/* -EINVAL, and nothing is taken, unless it is all there and as it was put. */
int fake_stream_load(const struct fake_stream *stream, struct fake_memory *memory);
void fake_stream_free(struct fake_stream *stream);

#endif
