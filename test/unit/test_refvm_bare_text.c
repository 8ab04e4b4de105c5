/* SPDX-License-Identifier: BSD-3-Clause */
/* The bare guest's vsnprintf, beside the C library's: the same text and length for all that its sentences use. */
#include <godwit/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

int bare_vsnprintf(char *buf, size_t size_bytes, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
int bare_snprintf(char *buf, size_t size_bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
int bare_error_set(struct gw_error *e, int code, const char *where, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define vsnprintf    bare_vsnprintf
#define snprintf     bare_snprintf
#define gw_error_set bare_error_set
#include "ref/guest/bare/text.c"
#undef vsnprintf
#undef snprintf
#undef gw_error_set

#define assert_same(size, ...)                                                                                       \
	do {                                                                                                         \
		char mine[(size) + 1], theirs[(size) + 1];                                                           \
		memset(mine, 'x', sizeof(mine));                                                                     \
		memset(theirs, 'x', sizeof(theirs));                                                                 \
		assert_int_equal(bare_snprintf(mine, (size), __VA_ARGS__), check_size(theirs, (size), __VA_ARGS__)); \
		assert_memory_equal(mine, theirs, sizeof(mine)); /* nothing beyond size */                           \
	} while (0)

/* snprintf, whose text compilers know to be cut off and would warn of. */
__attribute__((format(printf, 3, 4))) static int check_size(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(buf, size, format, args);
	va_end(args);
	for (size_t i = (size_t)length + 1; i < size; i++)
		buf[i] = 'x'; /* what lies behind the end is nobody's */
	return length;
}

static void test_same_as_the_library(void **state)
{
	assert_same(64, "plain, and a %% sign");
	assert_same(64, "%s: %s", "dev0", "");
	assert_same(64, "%u %u %u", 0u, 7u, UINT32_MAX);
	assert_same(64, "%llu %llu", 0ull, (unsigned long long)UINT64_MAX);
	assert_same(64, "0x%x 0x%02x 0x%02x 0x%llx", 0xabcdu, 5u, 0x1ffu, 0xfedcba9876543210ull);
	assert_same(64, "%016llx and %016llx", 0x12ull, UINT64_MAX + 0ull);
	assert_same(64, "%d %d %d %lld", 0, -1, INT32_MIN, (long long)INT64_MIN);
	assert_same(64, "%5u|%3u|%c", 42u, 12345u, 'c');
}

static void test_cut_to_its_room(void **state)
{
	assert_same(1, "%s", "long");
	assert_same(4, "%s", "long");
	assert_same(5, "%s", "long");
	assert_same(6, "page %llu of %s", 1234567ull, "RAM");
	assert_int_equal(bare_snprintf(NULL, 0, "%u", 12345u), 5);
}

static void test_the_first_error_stays(void **state)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(bare_error_set(&e, -5, "dev0", "register %u", 3u), -5);
	assert_int_equal(bare_error_set(&e, -6, NULL, "another"), -6);
	assert_int_equal(e.code, -5);
	assert_string_equal(e.where, "dev0");
	assert_string_equal(e.what, "register 3");
	assert_int_equal(bare_error_set(NULL, -7, NULL, "nowhere"), -7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_as_the_library),
		cmocka_unit_test(test_cut_to_its_room),
		cmocka_unit_test(test_the_first_error_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
