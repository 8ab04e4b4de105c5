/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest has found wrong, as it moves: the same on the other side, unless a hostile one has written it. */
#include "ref/guest/integrity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Saves what was found, loads it elsewhere, and looks at it there. */
static void assert_arrives_as(const char *found, const char *expected)
{
	struct integrity here, there;
	char first_error[INTEGRITY_TEXT_BYTES];
	uint8_t buf[2 * INTEGRITY_TEXT_BYTES];
	struct blob_out out = { .buf = buf, .size_bytes = sizeof(buf) };
	struct blob_in in = { .at = buf };

	integrity_init(&here);
	integrity_init(&there);
	integrity_fail(&here, "%s", found);
	integrity_save(&here, &out);
	in.left_bytes = out.used_bytes;
	integrity_load(&there, &in);
	assert_true(blob_ended(&in));
	assert_int_equal(integrity_get(&there, first_error), 1);
	assert_string_equal(first_error, expected);
}

static void test_a_finding_moves(void **state)
{
	assert_arrives_as("page 7: ~ 0x5a, not 0xa5", "page 7: ~ 0x5a, not 0xa5");
}

static void test_a_hostile_one_is_harmless(void **state)
{
	assert_arrives_as("\x1b[2Jgone\r\n\x7f", "?[2Jgone???");
	assert_arrives_as("\xc2\x9b"
			  "31m\xff",
			  "??31m?"); /* CSI in one character */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_finding_moves),
		cmocka_unit_test(test_a_hostile_one_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
