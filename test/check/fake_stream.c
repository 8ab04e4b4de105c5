/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES    8
#define INITIAL_BYTES 1024
#define SUM_BYTES     8
#define MAX_BYTES     (64u << 10)

enum record { RECORD_INITIAL = 0x494e4954, RECORD_STATE = 0x53544154, RECORD_END = 0x454e4421 };

/* FNV-1a. */
static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (size_t i = 0; i < size; i++)
		sum = (sum ^ bytes[i]) * 0x100000001b3u;
	return sum;
}

static int append(struct fake_stream *stream, const void *bytes, size_t size)
{
	uint8_t *grown;

	if (size > MAX_BYTES - stream->size)
		return -ENOSPC;
	grown = realloc(stream->bytes, stream->size + size + 1);
	if (!grown)
		return -ENOMEM;
	memcpy(grown + stream->size, bytes, size);
	stream->bytes = grown;
	stream->size += size;
	return 0;
}

static int put(struct fake_stream *stream, enum record type, const void *data, uint32_t size)
{
	uint32_t head[] = { type, size };
	int ret = append(stream, head, sizeof(head));

	return ret ? ret : append(stream, data, size);
}

int fake_stream_put_initial(struct fake_stream *stream)
{
	static const uint8_t hint[INITIAL_BYTES];
	int ret = put(stream, RECORD_INITIAL, hint, sizeof(hint));

	stream->initial_bytes = stream->size;
	return ret;
}

int fake_stream_put_state(struct fake_stream *stream, const struct fake_memory *memory, bool spoiled)
{
	int ret = put(stream, RECORD_STATE, memory->bytes, sizeof(memory->bytes));
	uint64_t sum;

	if (ret || spoiled)
		return ret;
	sum = sum_of(stream->bytes, stream->size);
	return put(stream, RECORD_END, &sum, sizeof(sum));
}

size_t fake_stream_state_bytes(void)
{
	return HEAD_BYTES + FAKE_MEMORY_BYTES + HEAD_BYTES + SUM_BYTES;
}

bool fake_stream_ended(const struct fake_stream *stream)
{
	return stream->position == stream->size;
}

size_t fake_stream_read(struct fake_stream *stream, void *buf, size_t size)
{
	size_t left = stream->size - stream->position, n = size < left ? size : left;

	if (n)
		memcpy(buf, stream->bytes + stream->position, n);
	stream->position += n;
	return n;
}

ssize_t fake_stream_write(struct fake_stream *stream, const void *buf, size_t size)
{
	int ret = append(stream, buf, size);

	return ret ? ret : (ssize_t)size;
}

/* The data of a record of this type and size at *at; NULL: there is none. */
static const uint8_t *take(const struct fake_stream *stream, size_t *at, enum record type, uint32_t size)
{
	uint32_t head[2];
	const uint8_t *data;

	if (stream->size - *at < HEAD_BYTES + (size_t)size)
		return NULL;
	memcpy(head, stream->bytes + *at, sizeof(head));
	if (head[0] != (uint32_t)type || head[1] != size)
		return NULL;
	data = stream->bytes + *at + HEAD_BYTES;
	*at += HEAD_BYTES + size;
	return data;
}

int fake_stream_load(const struct fake_stream *stream, struct fake_memory *memory)
{
	const uint8_t *state, *end;
	uint64_t sum;
	size_t at = 0, summed;

	take(stream, &at, RECORD_INITIAL, INITIAL_BYTES); /* may be there */
	state = take(stream, &at, RECORD_STATE, sizeof(memory->bytes));
	summed = at;
	end = state ? take(stream, &at, RECORD_END, SUM_BYTES) : NULL;
	if (!end || at != stream->size)
		return -EINVAL;
	sum = sum_of(stream->bytes, summed);
	if (memcmp(&sum, end, sizeof(sum)))
		return -EINVAL;
	memcpy(memory->bytes, state, sizeof(memory->bytes));
	return 0;
}

void fake_stream_free(struct fake_stream *stream)
{
	free(stream->bytes);
	*stream = (struct fake_stream){ 0 };
}
