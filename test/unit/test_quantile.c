/* SPDX-License-Identifier: BSD-3-Clause */
/* Quantiles and the interval of a median (tool/bench/quantile). */
#include "tool/bench/quantile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 1000000

static double values[MANY];

/* 1, 2, 3, ... nr */
static const double *first(size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		values[i] = (double)(i + 1);
	return values;
}

static void quantiles_are_of_the_samples(void **state)
{
	assert_true(quantile_at(first(1), 1, 0.5) == 1);
	assert_true(quantile_at(first(1), 1, 0.99) == 1);
	assert_true(quantile_at(first(10), 10, 0.5) == 5);
	assert_true(quantile_at(first(11), 11, 0.5) == 6);
	assert_true(quantile_at(first(10), 10, 0.99) == 10);
	assert_true(quantile_at(first(100), 100, 0.99) == 99);
	assert_true(quantile_at(first(101), 101, 0.99) == 100);
	assert_true(quantile_at(first(10), 10, 0) == 1);
	assert_true(quantile_at(first(10), 10, 1) == 10);
}

static void sorts(void **state)
{
	double unsorted[] = { 3, 1, 2, 1 };

	quantile_sort(unsorted, 4);
	assert_true(unsorted[0] == 1 && unsorted[1] == 1 && unsorted[2] == 2 && unsorted[3] == 3);
}

/* Ranks as tables of the sign test have them for 99 %: what is outside has at most half a percent on each side. */
static void the_interval_has_the_ranks_of_the_tables(void **state)
{
	static const struct {
		size_t nr;
		double low, high;
	} rows[] = {
		{ 8, 1, 8 }, { 10, 1, 10 }, { 12, 2, 11 }, { 15, 3, 13 }, { 20, 4, 17 }, { 25, 6, 20 }, { 100, 37, 64 },
	};
	double low, high;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(quantile_median_interval(first(rows[i].nr), rows[i].nr, &low, &high));
		assert_true(low == rows[i].low);
		assert_true(high == rows[i].high);
	}
}

static void few_samples_have_no_interval(void **state)
{
	double low, high;

	for (size_t nr = 1; nr < QUANTILE_LEAST_SAMPLES; nr++)
		assert_false(quantile_median_interval(first(nr), nr, &low, &high));
	assert_true(quantile_median_interval(first(QUANTILE_LEAST_SAMPLES), QUANTILE_LEAST_SAMPLES, &low, &high));
}

/* 2^-1000000 is no number; by the normal distribution the half width is 2.576 / 2 * 1000. */
static void many_samples_do_not_underflow(void **state)
{
	double low, high;

	assert_true(quantile_median_interval(first(MANY), MANY, &low, &high));
	assert_true(low > MANY / 2 - 1300 && low < MANY / 2 - 1275);
	assert_true(low + high == MANY + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_of_the_samples),
		cmocka_unit_test(sorts),
		cmocka_unit_test(the_interval_has_the_ranks_of_the_tables),
		cmocka_unit_test(few_samples_have_no_interval),
		cmocka_unit_test(many_samples_do_not_underflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
