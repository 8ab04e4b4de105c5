/* SPDX-License-Identifier: BSD-3-Clause */
/* The cursors: byte order, the sticky error on both sides, and what a text may be. */
#include "wire/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_little_endian(void **state)
{
	static const uint8_t expected[15] = { 0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f,
					      0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08 };
	uint8_t buf[15];
	struct wire_out out = wire_out(buf, sizeof(buf));
	struct wire_in in = wire_in(expected, sizeof(expected));

	wire_put_u8(&out, 0x01);
	wire_put_u16(&out, 0x0203);
	wire_put_u32(&out, 0x04050607);
	wire_put_u64(&out, 0x08090a0b0c0d0e0f);
	assert_false(out.bad);
	assert_int_equal(out.used, sizeof(buf));
	assert_memory_equal(buf, expected, sizeof(buf));

	assert_int_equal(wire_get_u8(&in), 0x01);
	assert_int_equal(wire_get_u16(&in), 0x0203);
	assert_int_equal(wire_get_u32(&in), 0x04050607);
	assert_true(wire_get_u64(&in) == 0x08090a0b0c0d0e0f);
	assert_true(wire_in_ended(&in));
}

static void test_extremes(void **state)
{
	uint8_t buf[15];
	struct wire_out out = wire_out(buf, sizeof(buf));
	struct wire_in in = wire_in(buf, sizeof(buf));

	wire_put_u8(&out, UINT8_MAX);
	wire_put_u16(&out, UINT16_MAX);
	wire_put_u32(&out, UINT32_MAX);
	wire_put_u64(&out, UINT64_MAX);
	assert_int_equal(wire_get_u8(&in), UINT8_MAX);
	assert_int_equal(wire_get_u16(&in), UINT16_MAX);
	assert_int_equal(wire_get_u32(&in), UINT32_MAX);
	assert_true(wire_get_u64(&in) == UINT64_MAX);
}

static void test_reader_stays_bad(void **state)
{
	static const uint8_t bytes[5] = { 1, 2, 3, 4, 5 };
	struct wire_in in = wire_in(bytes, sizeof(bytes));
	uint8_t got[2] = { 0xff, 0xff };

	assert_int_equal(wire_get_u32(&in), 0x04030201);
	assert_false(wire_in_ended(&in)); /* a byte is left */
	assert_int_equal(wire_get_u16(&in), 0);
	assert_true(in.bad);
	assert_int_equal(wire_get_u8(&in), 0); /* though it is there */
	wire_get_bytes(&in, got, sizeof(got));
	assert_int_equal(got[0] | got[1], 0);
	assert_null(wire_get_borrowed(&in, 1));
	assert_false(wire_in_ended(&in));
}

static void test_writer_stays_bad(void **state)
{
	uint8_t buf[4] = { 0 };
	struct wire_out out = wire_out(buf, 3);

	wire_put_u16(&out, 0x0101);
	wire_put_u16(&out, 0x0202);
	assert_true(out.bad);
	wire_put_u8(&out, 3); /* though there is room */
	assert_int_equal(out.used, 2);
	assert_int_equal(buf[2] | buf[3], 0);
}

static void test_nothing(void **state)
{
	struct wire_in in = wire_in(NULL, 0);
	struct wire_out out = wire_out(NULL, 0);

	wire_get_bytes(&in, NULL, 0);
	assert_null(wire_get_borrowed(&in, 0));
	assert_true(wire_in_ended(&in));
	wire_put_bytes(&out, NULL, 0);
	assert_false(out.bad);
	wire_put_u8(&out, 0);
	assert_true(out.bad);
}

static void test_borrowed(void **state)
{
	static const uint8_t bytes[3] = { 7, 8, 9 };
	struct wire_in in = wire_in(bytes, sizeof(bytes));

	assert_int_equal(wire_get_u8(&in), 7);
	assert_ptr_equal(wire_get_borrowed(&in, 2), bytes + 1);
	assert_true(wire_in_ended(&in));
}

/* What comes, into an array of 4, and what is made of it; NULL: refused. */
static const struct text_case {
	const char *bytes;
	size_t nr_bytes;
	const char *text;
} text_cases[] = {
	{ "\x00\x00", 2, "" },
	{ "\x03\x00"
	  "abc",
	  5, "abc" },
	{ "\x04\x00"
	  "abcd",
	  6, NULL }, /* no room for its end */
	{ "\xff\xff"
	  "abcd",
	  6, NULL },
	{ "\x03\x00"
	  "ab",
	  4, NULL }, /* not all there */
	{ "\x03\x00"
	  "a\0c",
	  5, NULL }, /* a NUL inside */
	{ "\x01\x00"
	  "\0",
	  3, NULL },
	{ "\x01", 1, NULL },
	{ "", 0, NULL },
};

static void test_texts(void **state)
{
	for (size_t i = 0; i < sizeof(text_cases) / sizeof(text_cases[0]); i++) {
		const struct text_case *c = &text_cases[i];
		struct wire_in in = wire_in(c->bytes, c->nr_bytes);
		char text[5] = "!!!!";

		wire_get_text(&in, text, 4);
		assert_int_equal(in.bad, !c->text);
		assert_string_equal(text, c->text ? c->text : "");
		assert_int_equal(text[3], 0);
		assert_int_equal(text[4], 0);
	}
}

static void test_text_out(void **state)
{
	char *longest = calloc(1, UINT16_MAX + 2);
	uint8_t *buf = malloc(UINT16_MAX + 16);
	struct wire_out out = wire_out(buf, UINT16_MAX + 16);

	memset(longest, 'x', UINT16_MAX);
	wire_put_text(&out, longest);
	assert_false(out.bad);
	assert_int_equal(out.used, UINT16_MAX + 2);
	longest[UINT16_MAX] = 'x';
	out = wire_out(buf, UINT16_MAX + 16);
	wire_put_text(&out, longest);
	assert_true(out.bad);
	free(buf);
	free(longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_little_endian),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_reader_stays_bad),
		cmocka_unit_test(test_writer_stays_bad),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_borrowed),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_text_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
