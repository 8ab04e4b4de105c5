/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames: what a header may say, what the sum covers, and what is refused of a run list or a device buffer. */
#include "wire/frame.h"

#include "base/bits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int decode(struct frame_header header)
{
	uint8_t buf[FRAME_HEADER_BYTES];
	struct frame_header got;

	frame_header_encode(buf, &header);
	return frame_header_decode(buf, &got);
}

static void test_header_there_and_back(void **state)
{
	const struct frame_header header = {
		.type = FRAME_RAM,
		.flags = FRAME_OPTIONAL,
		.body_bytes = FRAME_RAM_MAX_BYTES,
		.head_bytes = (uint32_t)frame_runs_bytes(512),
		.seq = 0x1122334455667788,
		.sum = UINT64_MAX,
	};
	uint8_t buf[FRAME_HEADER_BYTES];
	struct frame_header got;

	frame_header_encode(buf, &header);
	assert_memory_equal(buf, "GDWT", 4);
	assert_int_equal(frame_header_decode(buf, &got), 0);
	assert_int_equal(got.type, header.type);
	assert_int_equal(got.flags, header.flags);
	assert_int_equal(got.body_bytes, header.body_bytes);
	assert_int_equal(got.head_bytes, header.head_bytes);
	assert_true(got.seq == header.seq && got.sum == header.sum);
}

static const struct header_case {
	struct frame_header header;
	int ret;
} header_cases[] = {
	{ { .type = FRAME_PING }, 0 },
	{ { .type = FRAME_PING, .flags = 2 }, -EBADMSG },
	{ { .type = FRAME_PING, .body_bytes = 1, .head_bytes = 1 }, -EBADMSG },
	{ { .type = FRAME_GRANT, .body_bytes = 28, .head_bytes = 28 }, 0 },
	{ { .type = FRAME_GRANT, .body_bytes = 28, .head_bytes = 27 }, -EBADMSG },
	{ { .type = FRAME_GRANT, .body_bytes = 28, .head_bytes = 0 }, -EBADMSG },
	{ { .type = FRAME_GRANT, .body_bytes = 28, .head_bytes = 29 }, -EBADMSG },
	{ { .type = FRAME_GRANT, .body_bytes = 27, .head_bytes = 27 }, -EBADMSG },
	{ { .type = FRAME_GRANT, .body_bytes = 29, .head_bytes = 29 }, -EBADMSG },
	{ { .type = FRAME_VM_STATE, .body_bytes = 4 + 16 * MIB, .head_bytes = 4 + 16 * MIB }, 0 },
	{ { .type = FRAME_VM_STATE, .body_bytes = 5 + 16 * MIB, .head_bytes = 5 + 16 * MIB }, -EBADMSG },
	{ { .type = FRAME_VM_STATE, .body_bytes = UINT32_MAX, .head_bytes = UINT32_MAX }, -EBADMSG },
	{ { .type = FRAME_DEVICE, .body_bytes = 24 + MIB, .head_bytes = 24 + MIB }, 0 },
	{ { .type = FRAME_DEVICE, .body_bytes = 25 + MIB, .head_bytes = 25 + MIB }, -EBADMSG },
	{ { .type = FRAME_DEVICE, .body_bytes = 23, .head_bytes = 23 }, -EBADMSG },
	{ { .type = FRAME_DEVICE, .body_bytes = 100, .head_bytes = 24 }, -EBADMSG }, /* its state is summed */
	{ { .type = FRAME_END }, 0 },
	{ { .type = FRAME_RAM, .body_bytes = 24, .head_bytes = 24 }, 0 },
	{ { .type = FRAME_RAM, .body_bytes = 23, .head_bytes = 23 }, -EBADMSG },
	{ { .type = FRAME_RAM, .body_bytes = 4120, .head_bytes = 24 }, 0 },
	{ { .type = FRAME_RAM, .body_bytes = 4120, .head_bytes = 4120 }, 0 },
	{ { .type = FRAME_RAM, .body_bytes = 4120, .head_bytes = 8 }, -EBADMSG }, /* the list must be summed */
	{ { .type = FRAME_RAM, .body_bytes = 4120, .head_bytes = 25 }, -EBADMSG },
	{ { .type = FRAME_RAM, .body_bytes = 16384, .head_bytes = 8 + 513 * 16 }, -EBADMSG },
	{ { .type = FRAME_RAM, .body_bytes = FRAME_RAM_MAX_BYTES + 1, .head_bytes = 24 }, -EBADMSG },
	{ { .type = 0 }, -EPROTONOSUPPORT },
	{ { .type = 20 }, -EPROTONOSUPPORT },
	{ { .type = 67 }, -EPROTONOSUPPORT },
	{ { .type = UINT16_MAX }, -EPROTONOSUPPORT },
	{ { .type = 40, .flags = FRAME_OPTIONAL }, 0 },
	{ { .type = 40, .flags = FRAME_OPTIONAL, .body_bytes = 256 * KIB, .head_bytes = 256 * KIB }, 0 },
	{ { .type = 40, .flags = FRAME_OPTIONAL, .body_bytes = 256 * KIB + 1, .head_bytes = 256 * KIB + 1 }, -EBADMSG },
	{ { .type = 40, .flags = FRAME_OPTIONAL, .body_bytes = 8, .head_bytes = 4 }, -EBADMSG },
};

static void test_headers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(header_cases); i++)
		if (decode(header_cases[i].header) != header_cases[i].ret)
			fail_msg("header %zu: %d", i, decode(header_cases[i].header));
}

static void test_magic(void **state)
{
	uint8_t buf[FRAME_HEADER_BYTES];
	struct frame_header header = { .type = FRAME_PING };

	for (unsigned at = 0; at < 4; at++) {
		frame_header_encode(buf, &header);
		buf[at] ^= 0x20;
		assert_int_equal(frame_header_decode(buf, &header), -EBADMSG);
	}
}

static void test_names(void **state)
{
	assert_string_equal(frame_name(FRAME_HELLO), "HELLO");
	assert_string_equal(frame_name(FRAME_END), "END");
	assert_string_equal(frame_name(0), "?");
	assert_string_equal(frame_name(63), "?");
	assert_string_equal(frame_name(UINT16_MAX), "?");
	assert_int_equal(frame_max_bytes(63), 0);
	assert_int_equal(frame_max_bytes(FRAME_RAM), FRAME_RAM_MAX_BYTES);
}

/* The table of doc/wire.md. */
static const struct body_bounds {
	uint16_t type;
	uint32_t least, most;
} body_bounds[] = {
	{ 1, 44, 44 },        { 2, 6, 6 },    { 3, 18, 13297 }, { 4, 4, 260 },          { 5, 12, 14532 },
	{ 6, 4, 260 },        { 7, 28, 28 },  { 8, 12, 12 },    { 9, 4, 16 * MIB + 4 }, { 10, 36, 804 },
	{ 11, 16, 16 },       { 12, 8, 454 }, { 13, 0, 0 },     { 14, 8, 8 },           { 15, 20, 6292 },
	{ 16, 0, 0 },         { 17, 0, 0 },   { 18, 12, 1036 }, { 19, 4, 16388 },       { 64, 24, 2 * MIB + 8200 },
	{ 65, 24, MIB + 24 }, { 66, 0, 0 },
};

static int decode_length(uint16_t type, uint32_t bytes)
{
	return decode((struct frame_header){ .type = type, .body_bytes = bytes, .head_bytes = bytes });
}

static void test_body_bounds(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(body_bounds); i++) {
		const struct body_bounds *b = &body_bounds[i];

		assert_int_equal(frame_max_bytes(b->type), b->most);
		assert_int_equal(decode_length(b->type, b->least), 0);
		assert_int_equal(decode_length(b->type, b->most), 0);
		assert_int_equal(decode_length(b->type, b->least - 1), -EBADMSG); /* of 0: the longest there is */
		assert_int_equal(decode_length(b->type, b->most + 1), -EBADMSG);
	}
}

/* The sum is one sum, however its head is cut into pieces; and every bit of what it covers counts. */
static void test_sum(void **state)
{
	uint8_t buf[FRAME_HEADER_BYTES] = { 1, 2, 3 }, head[300];
	struct frame_summer *summer = frame_summer_new();
	uint64_t sum;

	memset(head, 0x5a, sizeof(head));
	sum = frame_sum(buf, head, sizeof(head), NULL, 0);
	assert_true(sum == frame_sum(buf, head, 100, head + 100, 200));
	assert_true(sum == frame_sum(buf, NULL, 0, head, sizeof(head)));
	frame_summer_begin(summer, buf);
	for (size_t i = 0; i < sizeof(head); i += 50)
		frame_summer_add(summer, head + i, 50);
	assert_true(sum == frame_summer_end(summer));
	frame_summer_begin(summer, buf); /* again, from the start */
	frame_summer_add(summer, head, sizeof(head));
	assert_true(sum == frame_summer_end(summer));
	frame_summer_free(summer);

	buf[24] ^= 1; /* the sum's own place */
	assert_true(sum == frame_sum(buf, head, sizeof(head), NULL, 0));
	for (size_t bit = 0; bit < 8 * 24; bit++) {
		buf[bit / 8] ^= 1u << bit % 8;
		assert_false(sum == frame_sum(buf, head, sizeof(head), NULL, 0));
		buf[bit / 8] ^= 1u << bit % 8;
	}
	head[299] ^= 0x80;
	assert_false(sum == frame_sum(buf, head, sizeof(head), NULL, 0));
}

static int check_runs(const struct page_run *runs, uint32_t nr_runs, size_t payload_bytes)
{
	uint8_t *buf = malloc(frame_runs_bytes(nr_runs));
	struct page_run *got = calloc(nr_runs, sizeof(*got));
	uint32_t nr = 0;
	int ret;

	frame_runs_encode(buf, runs, nr_runs);
	ret = frame_runs_count(buf, (uint32_t)(frame_runs_bytes(nr_runs) + payload_bytes), &nr);
	if (!ret)
		ret = frame_runs_decode(buf, nr, payload_bytes, got);
	if (!ret && (nr != nr_runs || memcmp(runs, got, nr * sizeof(*got))))
		ret = -ENOTRECOVERABLE;
	free(got);
	free(buf);
	return ret;
}

#define TOP (UINT64_MAX - 4095) /* the last page there is */

static const struct runs_case {
	struct page_run runs[3];
	uint32_t nr_runs;
	uint32_t payload_pages;
	int ret;
} runs_cases[] = {
	{ { { 0, 1, 0 } }, 1, 1, 0 },
	{ { { 0, 1, RUN_ZERO } }, 1, 0, 0 },
	{ { { 0, 512, 0 } }, 1, 512, 0 },
	{ { { TOP, 1, 0 } }, 1, 1, 0 },
	{ { { 0x1000, 2, 0 }, { 0x3000, 4, RUN_ZERO }, { 0x9000, 1, 0 } }, 3, 3, 0 },
	{ { { 0x1000, 1, 0 }, { 0x200000, 1, 0 } }, 2, 2, 0 }, /* just a chunk's size: a block may begin anywhere */
	{ { { 0x1000, 1, 0 }, { 0x201000, 1, 0 } }, 2, 2, -EBADMSG }, /* spans more */
	{ { { 0, 0, 0 } }, 1, 0, -EBADMSG },
	{ { { 0, 513, 0 } }, 1, 513, -EBADMSG },
	{ { { 0, UINT32_MAX, RUN_ZERO } }, 1, 0, -EBADMSG },
	{ { { 1, 1, 0 } }, 1, 1, -EBADMSG },
	{ { { TOP, 2, 0 } }, 1, 2, -EBADMSG }, /* wraps */
	{ { { TOP, 1, 0 }, { 0, 1, 0 } }, 2, 2, -EBADMSG },
	{ { { 0, 1, 2 } }, 1, 1, -EBADMSG },                        /* an unknown flag */
	{ { { 0x1000, 1, 0 }, { 0, 1, 0 } }, 2, 2, -EBADMSG },      /* descending */
	{ { { 0x1000, 2, 0 }, { 0x2000, 1, 0 } }, 2, 3, -EBADMSG }, /* overlap */
	{ { { 0x1000, 1, 0 }, { 0x1000, 1, 0 } }, 2, 2, -EBADMSG },
	{ { { 0, 1, 0 } }, 1, 0, -EBADMSG }, /* a page is missing */
	{ { { 0, 1, 0 } }, 1, 2, -EBADMSG }, /* one too many */
	{ { { 0, 1, RUN_ZERO } }, 1, 1, -EBADMSG },
};

static void test_runs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(runs_cases); i++) {
		const struct runs_case *c = &runs_cases[i];
		int ret = check_runs(c->runs, c->nr_runs, (size_t)c->payload_pages * GW_PAGE_BYTES);

		if (ret != c->ret)
			fail_msg("runs %zu: %d", i, ret);
	}
}

static void test_most_runs(void **state)
{
	struct page_run runs[LIMIT_RUNS_A_FRAME];

	for (uint32_t i = 0; i < LIMIT_RUNS_A_FRAME; i++)
		runs[i] = (struct page_run){ .gpa = 4 * GIB + i * GW_PAGE_BYTES, .nr_pages = 1, .flags = i % 2 };
	assert_int_equal(check_runs(runs, LIMIT_RUNS_A_FRAME, 256 * GW_PAGE_BYTES), 0);
	assert_int_equal(check_runs(runs, LIMIT_RUNS_A_FRAME, 256 * GW_PAGE_BYTES + 1), -EBADMSG);
}

static void test_runs_count(void **state)
{
	uint8_t fixed[FRAME_RAM_FIXED_BYTES] = { 2 };
	uint32_t nr = 77;

	assert_int_equal(frame_runs_count(fixed, 40, &nr), 0);
	assert_int_equal(nr, 2);
	assert_int_equal(frame_runs_count(fixed, 39, &nr), -EBADMSG); /* promises more than came */
	assert_int_equal(frame_runs_count(fixed, 0, &nr), -EBADMSG);
	fixed[7] = 1; /* reserved */
	assert_int_equal(frame_runs_count(fixed, 40, &nr), -EBADMSG);
	memset(fixed, 0, sizeof(fixed));
	assert_int_equal(frame_runs_count(fixed, 40, &nr), -EBADMSG);
	memset(fixed, 0xff, 4);
	assert_int_equal(frame_runs_count(fixed, UINT32_MAX, &nr), -EBADMSG);
	memset(fixed, 0, sizeof(fixed));
	fixed[0] = 1;
	fixed[1] = 2; /* 513 */
	assert_int_equal(frame_runs_count(fixed, UINT32_MAX, &nr), -EBADMSG);
}

#define FIXED FRAME_DEVICE_FIXED_BYTES

static const struct device_case {
	struct device_buffer_header header;
	uint32_t body_bytes;
	int ret;
} device_cases[] = {
	{ { 0, 0, 0, 0 }, FIXED + 1, 0 },
	{ { 31, DEVICE_BUFFER_FLAGS, UINT64_MAX, UINT64_MAX - MIB }, FIXED + MIB, 0 },
	{ { 0, DEVICE_BUFFER_LAST, 0, 0 }, FIXED, 0 },
	{ { 0, DEVICE_BUFFER_INITIAL_END, 3, 100 }, FIXED, 0 },
	{ { 0, DEVICE_BUFFER_STOP_COPY, 3, 100 }, FIXED, -EBADMSG }, /* nothing in it, and no mark */
	{ { 0, 0, 0, 0 }, FIXED - 1, -EBADMSG },
	{ { 0, 0, 0, 0 }, FIXED + MIB + 1, -EBADMSG },
	{ { 0, 0, 0, 0 }, UINT32_MAX, -EBADMSG },
	{ { 32, 0, 0, 0 }, FIXED + 1, -EBADMSG },
	{ { UINT32_MAX, 0, 0, 0 }, FIXED + 1, -EBADMSG },
	{ { 0, 8, 0, 0 }, FIXED + 1, -EBADMSG },
	{ { 0, 0, 0, 1 }, FIXED + 1, -EBADMSG }, /* the first one follows nothing */
	{ { 0, 0, 1, UINT64_MAX }, FIXED + 1, -EBADMSG },
};

static void test_device_buffers(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(device_cases); i++) {
		const struct device_case *c = &device_cases[i];
		uint8_t buf[FRAME_DEVICE_FIXED_BYTES];
		struct device_buffer_header got;

		frame_device_encode(buf, &c->header);
		if (frame_device_decode(buf, c->body_bytes, &got) != c->ret)
			fail_msg("device buffer %zu", i);
		assert_memory_equal(&got, &c->header, sizeof(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_there_and_back),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_magic),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_body_bounds),
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_most_runs),
		cmocka_unit_test(test_runs_count),
		cmocka_unit_test(test_device_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
