/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The golden bytes of test/vectors against the code, both ways: what is encoded is the file, what the file decodes
 * to is the struct. The files were written from doc/wire.md; if one differs, the code or the document is wrong.
 */
#include "hex_file.h"
#include "sample_message.h"

#include <ctype.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM_BYTES 16384

static const char *source_root;
static uint8_t golden[ROOM_BYTES], encoded[ROOM_BYTES];

static size_t read_golden(const char *kind, const char *name)
{
	char path[128];
	ssize_t n;

	if (!source_root)
		skip(); /* neither argv[1] nor GODWIT_SOURCE_ROOT says where the tree is */
	snprintf(path, sizeof(path), "test/vectors/%s/%s.hex", kind, name);
	n = hex_file_read(source_root, path, golden, sizeof(golden));
	if (n < 0)
		fail_msg("%s: %s", path, strerror((int)-n));
	return (size_t)n;
}

static void test_messages(void **state)
{
	static struct message in, out;

	for (uint16_t type = FIRST_MESSAGE_TYPE; type <= LAST_MESSAGE_TYPE; type++) {
		char name[32];
		size_t n;

		snprintf(name, sizeof(name), "%s", message_name(type));
		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		n = read_golden("message", name);
		sample_message(&in, type, SAMPLE_PLAIN);
		assert_int_equal(message_encode(&in, encoded, sizeof(encoded)), n);
		assert_memory_equal(encoded, golden, n);
		assert_int_equal(message_decode(type, golden, n, &out), 0);
		assert_true(sample_message_equal(&in, &out));
	}
}

static const struct page_run runs[2] = {
	{ .gpa = 4 * GIB, .nr_pages = 1 },
	{ .gpa = 4 * GIB + 0x3000, .nr_pages = 5, .flags = RUN_ZERO },
};

static const struct device_buffer_header buffer = {
	.device = 1,
	.flags = DEVICE_BUFFER_LAST | DEVICE_BUFFER_STOP_COPY,
	.number = 2,
	.sent = 2 * MIB,
};

static void check_ram(const uint8_t *body, uint32_t body_bytes)
{
	size_t list_bytes = frame_runs_bytes(2);
	struct page_run got[2];
	uint8_t again[64];
	uint32_t nr;

	assert_int_equal(frame_runs_count(body, body_bytes, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(frame_runs_decode(body, nr, body_bytes - list_bytes, got), 0);
	assert_memory_equal(got, runs, sizeof(runs));
	frame_runs_encode(again, runs, 2);
	assert_memory_equal(again, body, list_bytes);
}

static void check_device(const uint8_t *body, uint32_t body_bytes)
{
	uint8_t again[FRAME_DEVICE_FIXED_BYTES];
	struct device_buffer_header got;

	assert_int_equal(frame_device_decode(body, body_bytes, &got), 0);
	assert_memory_equal(&got, &buffer, sizeof(got));
	frame_device_encode(again, &buffer);
	assert_memory_equal(again, body, sizeof(again));
	assert_memory_equal(body + sizeof(again), "state", 5);
}

/* What differs from the sample, which is a data channel's. */
static void check_resume(const uint8_t *body, uint32_t body_bytes)
{
	struct message in, out;

	sample_message(&in, FRAME_HELLO, SAMPLE_PLAIN);
	in.hello.role = ROLE_RESUME;
	in.hello.channel = 0;
	in.hello.features = HELLO_VERIFY | HELLO_ARBITER;
	assert_int_equal(message_decode(FRAME_HELLO, body, body_bytes, &out), 0);
	assert_true(sample_message_equal(&in, &out));
}

static void check_grant(const uint8_t *body, uint32_t body_bytes)
{
	struct message in, out;

	sample_message(&in, FRAME_GRANT, SAMPLE_PLAIN);
	assert_int_equal(message_decode(FRAME_GRANT, body, body_bytes, &out), 0);
	assert_true(sample_message_equal(&in, &out));
}

/* This version sends it as it is here: another one may skip it. */
static void check_needs(const uint8_t *body, uint32_t body_bytes)
{
	struct message in, out;

	sample_message(&in, FRAME_NEEDS, SAMPLE_PLAIN);
	assert_int_equal(message_decode(FRAME_NEEDS, body, body_bytes, &out), 0);
	assert_true(sample_message_equal(&in, &out));
	assert_int_equal(frame_flags(FRAME_NEEDS), FRAME_OPTIONAL);
}

static void check_nothing(const uint8_t *body, uint32_t body_bytes)
{
}

static const struct golden_frame {
	const char *name;
	struct frame_header header; /* but for the sum */
	void (*check_body)(const uint8_t *body, uint32_t body_bytes);
} frames[] = {
	{ "commit", { .type = FRAME_COMMIT, .seq = 41 }, check_nothing },
	{ "resume", { .type = FRAME_HELLO, .body_bytes = 44, .head_bytes = 44 }, check_resume },
	{ "grant", { .type = FRAME_GRANT, .body_bytes = 28, .head_bytes = 28, .seq = 7 }, check_grant },
	{ "end", { .type = FRAME_END, .seq = 3 }, check_nothing },
	{ "ram_running", { .type = FRAME_RAM, .body_bytes = 4136, .head_bytes = 40, .seq = 1 }, check_ram },
	{ "ram_paused", { .type = FRAME_RAM, .body_bytes = 4136, .head_bytes = 4136, .seq = 2 }, check_ram },
	{ "device", { .type = FRAME_DEVICE, .body_bytes = 29, .head_bytes = 29, .seq = 9 }, check_device },
	{ "needs",
	  { .type = FRAME_NEEDS, .flags = FRAME_OPTIONAL, .body_bytes = 8, .head_bytes = 8, .seq = 1 },
	  check_needs },
	{ "optional",
	  { .type = 40, .flags = FRAME_OPTIONAL, .body_bytes = 1, .head_bytes = 1, .seq = 5 },
	  check_nothing },
};

static void test_frames(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		const uint8_t *body = golden + FRAME_HEADER_BYTES;
		size_t n = read_golden("frame", frames[i].name);
		struct frame_header header = frames[i].header, got;

		assert_int_equal(n, FRAME_HEADER_BYTES + header.body_bytes);
		header.sum = frame_sum(golden, body, header.head_bytes, NULL, 0);
		frame_header_encode(encoded, &header);
		assert_memory_equal(encoded, golden, FRAME_HEADER_BYTES);
		assert_int_equal(frame_header_decode(golden, &got), 0);
		assert_int_equal(got.type, header.type);
		assert_int_equal(got.flags, header.flags);
		assert_int_equal(got.body_bytes, header.body_bytes);
		assert_int_equal(got.head_bytes, header.head_bytes);
		assert_true(got.seq == header.seq && got.sum == header.sum);
		frames[i].check_body(body, got.body_bytes);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_frames),
	};

	source_root = argc > 1 ? argv[1] : getenv("GODWIT_SOURCE_ROOT");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
