/* SPDX-License-Identifier: BSD-3-Clause */
/* Streams made by hand: see inspect_rig.h. */
#include "inspect_rig.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_STREAMS 4

void rig_bytes(struct rig_stream *s, const void *bytes, size_t nr_bytes)
{
	assert_true(nr_bytes <= sizeof(s->bytes) - s->used);
	if (nr_bytes)
		memcpy(s->bytes + s->used, bytes, nr_bytes);
	s->used += nr_bytes;
}

void rig_fill(struct rig_stream *s, uint8_t byte, size_t nr_bytes)
{
	assert_true(nr_bytes <= sizeof(s->bytes) - s->used);
	memset(s->bytes + s->used, byte, nr_bytes);
	s->used += nr_bytes;
}

void rig_u8(struct rig_stream *s, uint8_t value)
{
	rig_bytes(s, &value, 1);
}

void rig_u16(struct rig_stream *s, uint16_t value)
{
	rig_u8(s, (uint8_t)(value >> 8));
	rig_u8(s, (uint8_t)value);
}

void rig_u32(struct rig_stream *s, uint32_t value)
{
	rig_u16(s, (uint16_t)(value >> 16));
	rig_u16(s, (uint16_t)value);
}

void rig_u64(struct rig_stream *s, uint64_t value)
{
	rig_u32(s, (uint32_t)(value >> 32));
	rig_u32(s, (uint32_t)value);
}

void rig_name(struct rig_stream *s, const char *name)
{
	rig_u8(s, (uint8_t)strlen(name));
	rig_bytes(s, name, strlen(name));
}

void rig_header(struct rig_stream *s)
{
	s->used = 0;
	rig_bytes(s, "QEVM", 4);
	rig_u32(s, 3);
	rig_u8(s, 7);
	rig_u32(s, 6);
	rig_bytes(s, "pc-9.9", 6);
}

void rig_begin(struct rig_stream *s, uint8_t element, uint32_t id, const char *name, uint32_t version)
{
	rig_u8(s, element);
	rig_u32(s, id);
	rig_name(s, name);
	rig_u32(s, 0);
	rig_u32(s, version);
}

void rig_part(struct rig_stream *s, uint8_t element, uint32_t id)
{
	rig_u8(s, element);
	rig_u32(s, id);
}

void rig_footer(struct rig_stream *s, uint32_t id)
{
	rig_u8(s, 0x7e);
	rig_u32(s, id);
}

void rig_end(struct rig_stream *s, const char *description)
{
	rig_u8(s, 0);
	if (!description)
		return;
	rig_u8(s, 6);
	rig_u32(s, (uint32_t)strlen(description));
	rig_bytes(s, description, strlen(description));
}

int rig_file(const struct rig_stream *s)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, s->bytes, s->used, 0), s->used);
	return fd;
}

static int pipe_with(const struct rig_stream *s)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_true(fcntl(fds[1], F_SETPIPE_SZ, RIG_BYTES) >= (int)RIG_BYTES);
	assert_int_equal(write(fds[1], s->bytes, s->used), s->used);
	close(fds[1]);
	return fds[0];
}

static const struct gw_inspection *inspect(const struct gw_inspect_input *inputs, uint32_t nr)
{
	const struct gw_inspection *told;
	struct gw_error e = GW_ERROR_NONE;
	int ret = gw_inspect_read(&told, inputs, nr, NULL, &e);

	if (ret)
		fail_msg("%d: %s: %s", ret, e.where, e.what);
	return told;
}

const struct gw_inspection *rig_inspect(const struct rig_stream *streams, uint32_t nr, int *fds)
{
	struct gw_inspect_input files[MAX_STREAMS] = { 0 }, pipes[MAX_STREAMS] = { 0 };
	const struct gw_inspection *told, *again;
	const struct gw_inspected_file *one, *other;

	assert_true(nr <= MAX_STREAMS);
	for (uint32_t i = 0; i < nr; i++) {
		files[i] = (struct gw_inspect_input){ .fd = fds[i] = rig_file(&streams[i]), .name = "file" };
		pipes[i] = (struct gw_inspect_input){ .fd = pipe_with(&streams[i]), .name = "file" };
	}
	told = inspect(files, nr);
	again = inspect(pipes, nr);
	for (one = told->files, other = again->files; one; one = one->next, other = other->next) {
		assert_int_equal(one->trouble.code, other->trouble.code);
		assert_string_equal(one->trouble.what, other->trouble.what);
		assert_int_equal(one->bytes, other->bytes);
	}
	gw_inspection_free(again);
	for (uint32_t i = 0; i < nr; i++)
		close(pipes[i].fd);
	return told;
}

const struct gw_inspection *rig_look(const struct rig_stream *stream)
{
	int fd;
	const struct gw_inspection *told = rig_inspect(stream, 1, &fd);

	close(fd);
	return told;
}
