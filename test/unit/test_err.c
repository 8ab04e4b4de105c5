/* SPDX-License-Identifier: BSD-3-Clause */
/* The error record: the first failure stays, a NULL record is fine, long texts are cut whole. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(err_set(&e, -EIO, "dev0", "%s -> %s: refused", "RUNNING", "STOP"), -EIO);
	assert_int_equal(e.code, -EIO);
	assert_string_equal(e.where, "dev0");
	assert_string_equal(e.what, "RUNNING -> STOP: refused");
}

static void test_first_wins(void **state)
{
	struct gw_error e = GW_ERROR_NONE, later = GW_ERROR_NONE;

	err_set(&e, -EPIPE, "channel 1", "the peer closed it");
	assert_int_equal(err_set(&e, -EIO, "dev0", "and then this"), -EIO); /* the code travels all the same */
	assert_int_equal(e.code, -EPIPE);
	assert_string_equal(e.what, "the peer closed it");

	err_first(&later, &e);
	assert_int_equal(later.code, -EPIPE);
	err_set(&e, -EIO, "", "unused");
	later.code = -ENODEV;
	err_first(&later, &e);
	assert_int_equal(later.code, -ENODEV);
}

static void test_none_is_not_taken(void **state)
{
	struct gw_error e = GW_ERROR_NONE, none = GW_ERROR_NONE;

	strcpy(none.what, "left over");
	err_first(&e, &none);
	assert_int_equal(e.code, 0);
	assert_string_equal(e.what, "");
}

static void test_null(void **state)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(err_set(NULL, -EIO, "dev0", "%d", 1), -EIO);
	err_first(NULL, &e);
	err_set(&e, -EIO, NULL, "nobody");
	assert_string_equal(e.where, "");
}

static void test_long_texts(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	err_set(&e, -EIO, text, "%s", text);
	assert_int_equal(strlen(e.where), GW_ERROR_WHERE_BYTES - 1);
	assert_int_equal(strlen(e.what), GW_ERROR_WHAT_BYTES - 1);
}

static void test_public(void **state)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_error_set(NULL, -EIO, "guest", "%d", 1), -EIO);
	assert_int_equal(gw_error_set(&e, -EBADMSG, NULL, "%u pages lost", 3), -EBADMSG);
	assert_int_equal(gw_error_set(&e, -EIO, "guest", "and then this"), -EIO);
	assert_int_equal(e.code, -EBADMSG);
	assert_string_equal(e.where, "");
	assert_string_equal(e.what, "3 pages lost");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_first_wins),
		cmocka_unit_test(test_none_is_not_taken),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_long_texts),
		cmocka_unit_test(test_public),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
