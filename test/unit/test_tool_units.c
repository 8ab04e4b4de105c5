/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantities as people write and read them (tool/units). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tool/units.h"

#include <errno.h>

#include <cmocka.h>

#define NR(array) (sizeof(array) / sizeof((array)[0]))

struct parse_case {
	int (*parse)(const char *text, uint64_t *value);
	const char *text;
	int ret;
	uint64_t value;
};

static const struct parse_case parse_cases[] = {
	{ units_parse_count, "0", 0, 0 },
	{ units_parse_count, "17", 0, 17 },
	{ units_parse_count, "18446744073709551615", 0, UINT64_MAX },
	{ units_parse_count, "18446744073709551616", -ERANGE, 0 },
	{ units_parse_count, "", -EINVAL, 0 },
	{ units_parse_count, "-1", -EINVAL, 0 },
	{ units_parse_count, "+1", -EINVAL, 0 },
	{ units_parse_count, " 1", -EINVAL, 0 },
	{ units_parse_count, "1k", -EINVAL, 0 },
	{ units_parse_count, "1.5", -EINVAL, 0 },
	{ units_parse_size, "512", 0, 512 },
	{ units_parse_size, "512B", 0, 512 },
	{ units_parse_size, "64k", 0, 64 << 10 },
	{ units_parse_size, "64M", 0, 64 << 20 },
	{ units_parse_size, "64MiB", 0, 64 << 20 },
	{ units_parse_size, "1.5G", 0, 3ull << 29 },
	{ units_parse_size, "0.5K", 0, 512 },
	{ units_parse_size, "1T", 0, 1ull << 40 },
	{ units_parse_size, "16777215T", 0, 16777215ull << 40 },
	{ units_parse_size, "16777216T", -ERANGE, 0 },
	{ units_parse_size, "64MB", -EINVAL, 0 }, /* 10^6 or 2^20: it is not known */
	{ units_parse_size, "64 M", -EINVAL, 0 },
	{ units_parse_size, "M", -EINVAL, 0 },
	{ units_parse_size, ".5M", -EINVAL, 0 },
	{ units_parse_size, "1.M", -EINVAL, 0 },
	{ units_parse_size, "1M/s", -EINVAL, 0 },
	{ units_parse_rate, "200M", 0, 200 << 20 },
	{ units_parse_rate, "200M/s", 0, 200 << 20 },
	{ units_parse_rate, "200MiB/s", 0, 200 << 20 },
	{ units_parse_rate, "0", 0, 0 },
	{ units_parse_rate, "25G", 0, 25ull << 30 }, /* a size a second, here as everywhere */
	{ units_parse_rate, "25Gbit", 0, 3125000000 },
	{ units_parse_rate, "25Gbit/s", 0, 3125000000 },
	{ units_parse_rate, "2.5Mbit", 0, 312500 },
	{ units_parse_rate, "800bit", 0, 100 },
	{ units_parse_rate, "99999999Tbit", -ERANGE, 0 },
	{ units_parse_rate, "25Gb", -EINVAL, 0 }, /* bits or bytes: it is not known */
	{ units_parse_rate, "25gbit", -EINVAL, 0 },
	{ units_parse_size, "25Gbit", -EINVAL, 0 },
	{ units_parse_rate, "/s", -EINVAL, 0 },
	{ units_parse_rate, "200M/min", -EINVAL, 0 },
	{ units_parse_duration, "0", 0, 0 },
	{ units_parse_duration, "50us", 0, 50000 },
	{ units_parse_duration, "300ms", 0, 300000000 },
	{ units_parse_duration, "2s", 0, 2000000000 },
	{ units_parse_duration, "1.5s", 0, 1500000000 },
	{ units_parse_duration, "1min", 0, 60000000000 },
	{ units_parse_duration, "7ns", 0, 7 },
	{ units_parse_duration, "300", -EINVAL, 0 }, /* of what? */
	{ units_parse_duration, "300m", -EINVAL, 0 },
	{ units_parse_duration, "99999999999s", -ERANGE, 0 },
};

static void test_parse(void **state)
{
	for (size_t i = 0; i < NR(parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		uint64_t value = 0;
		int ret = c->parse(c->text, &value);

		if (ret != c->ret || (!ret && value != c->value))
			fail_msg("\"%s\": %d, %llu", c->text, ret, (unsigned long long)value);
	}
}

static void test_sizes(void **state)
{
	assert_string_equal(units_size(0).s, "0 B");
	assert_string_equal(units_size(1023).s, "1023 B");
	assert_string_equal(units_size(1024).s, "1.00 KiB");
	assert_string_equal(units_size(64 << 20).s, "64.0 MiB");
	assert_string_equal(units_size((1 << 20) - 1).s, "1.00 MiB");
	assert_string_equal(units_size(812ull << 20).s, "812 MiB");
	assert_string_equal(units_size(3ull << 29).s, "1.50 GiB");
	assert_string_equal(units_size(UINT64_MAX).s, "16.0 EiB");
	assert_string_equal(units_rate(200 << 20).s, "200 MiB/s");
	assert_string_equal(units_bit_rate(3125000000).s, "25.0 Gbit/s");
	assert_string_equal(units_bit_rate(12).s, "96.0 bit/s");
	assert_string_equal(units_bit_rate(UINT64_MAX).s, "147573953 Tbit/s");
}

static void test_durations(void **state)
{
	assert_string_equal(units_duration(0).s, "0 us");
	assert_string_equal(units_duration(850000).s, "850 us");
	assert_string_equal(units_duration(999600).s, "1.00 ms");
	assert_string_equal(units_duration(61200000).s, "61.2 ms");
	assert_string_equal(units_duration(300000000).s, "300 ms");
	assert_string_equal(units_duration(999600000).s, "1.00 s");
	assert_string_equal(units_duration(3210000000).s, "3.21 s");
	assert_string_equal(units_ms(61.23).s, "61.2 ms");
}

static void test_counts(void **state)
{
	assert_string_equal(units_count(0).s, "0");
	assert_string_equal(units_count(999).s, "999");
	assert_string_equal(units_count(262144).s, "262,144");
	assert_string_equal(units_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests_name("tool_units", tests, NULL, NULL);
}
