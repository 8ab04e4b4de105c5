/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a unit test needs of cmocka to run in the lab too, where programs are static and say "ok NAME", "not ok NAME -
 * why", "skip NAME - why". The first failure ends the program.
 */
#ifndef LAB_CMOCKA_H
#define LAB_CMOCKA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct CMUnitTest {
	const char *name;
	void (*test)(void **state);
};

#define cmocka_unit_test(f)                 \
	{                                   \
		&#f[sizeof("test_") - 1], f \
	}
#define cmocka_run_group_tests(tests, a, b) lab_run(tests, sizeof(tests) / sizeof((tests)[0]))

static const char *lab_name; /* of the test that runs */
static char lab_message[256];
static jmp_buf lab_skipped;

__attribute__((format(printf, 1, 2))) static inline void print_message(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(lab_message, sizeof(lab_message), fmt, args);
	va_end(args);
}

__attribute__((noreturn)) static inline void skip(void)
{
	longjmp(lab_skipped, 1);
}

static inline void lab_check(int holds, const char *what, int line)
{
	if (holds)
		return;
	printf("not ok %s - line %d: %s\n", lab_name, line, what);
	fflush(stdout);
	_Exit(1);
}

static inline void lab_say_skipped(void)
{
	const char *why = strncmp(lab_message, "SKIP: ", 6) ? lab_message : lab_message + 6;

	printf("skip %s - %.*s\n", lab_name, (int)strcspn(why, "\n"), why);
}

static inline int lab_run(const struct CMUnitTest *tests, size_t nr)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (volatile size_t i = 0; i < nr; i++) {
		static char name[64];

		snprintf(name, sizeof(name), "%s.%s", LAB_NAME, tests[i].name);
		lab_name = name;
		if (setjmp(lab_skipped)) {
			lab_say_skipped();
		} else {
			tests[i].test(NULL);
			printf("ok %s\n", name);
		}
	}
	return 0;
}

#define LAB_CHECK(holds, what)       lab_check(!!(holds), what, __LINE__)
#define assert_true(a)               LAB_CHECK(a, #a)
#define assert_false(a)              LAB_CHECK(!(a), "not: " #a)
#define assert_null(a)               LAB_CHECK(!(a), #a " is NULL")
#define assert_non_null(a)           LAB_CHECK(a, #a " is not NULL")
#define assert_int_equal(a, b)       LAB_CHECK((a) == (b), #a " == " #b)
#define assert_ptr_not_equal(a, b)   LAB_CHECK((a) != (b), #a " != " #b)
#define assert_string_equal(a, b)    LAB_CHECK(!strcmp(a, b), #a " is " #b)
#define assert_memory_equal(a, b, n) LAB_CHECK(!memcmp(a, b, n), #a " is " #b)

#endif
