/* SPDX-License-Identifier: BSD-3-Clause */
/* Benchmarks compared (tool/bench/diff, measure): what is noise, what is worse, what cannot be told, what is no file.
 */
#include "tool/bench/diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SAMPLES 20

/* A document with one series: nr samples around `middle`, spread over +- spread of it. */
static json_t *document(const char *name, const char *unit, unsigned nr, double middle, double spread)
{
	json_t *samples = json_array();

	for (unsigned i = 0; i < nr; i++)
		json_array_append_new(
			samples,
			json_real(middle * (1 + spread * (nr > 1 ? 2.0 * (double)(i * 7 % nr) / (nr - 1) - 1 : 0))));
	return json_pack("{s:s, s:{s:s, s:[s]}, s:[{s:s, s:s, s:s, s:s, s:o}]}", "document", "bench", "device",
			 "backend", "vfio-user", "migration_flags", "STOP_COPY", "measures", "group", "arc", "name",
			 name, "on", "device", "unit", unit, "samples", samples);
}

/* The verdict on A and B, with a threshold of 10 %; the documents are consumed. */
static const char *verdict_of(json_t *a, json_t *b, unsigned *worse)
{
	static char verdict[32];
	struct gw_error e = GW_ERROR_NONE;
	json_t *diff = NULL;

	assert_int_equal(diff_documents(&diff, a, b, "a", "b", 0.1, worse, &e), 0);
	snprintf(verdict, sizeof(verdict), "%s",
		 json_string_value(json_object_get(json_array_get(json_object_get(diff, "series"), 0), "verdict")));
	assert_int_equal(json_integer_value(json_object_get(diff, "worse")), *worse);
	json_decref(diff);
	json_decref(a);
	json_decref(b);
	return verdict;
}

static void the_same_samples_are_the_same(void **state)
{
	unsigned worse;

	assert_string_equal(
		verdict_of(document("x", "us", SAMPLES, 100, 0.2), document("x", "us", SAMPLES, 100, 0.2), &worse),
		"same");
	assert_int_equal(worse, 0);
	/* All alike: an interval of no width still overlaps with itself. */
	assert_string_equal(
		verdict_of(document("x", "us", SAMPLES, 100, 0), document("x", "us", SAMPLES, 100, 0), &worse), "same");
}

static void what_the_noise_covers_is_the_same(void **state)
{
	unsigned worse;

	assert_string_equal(
		verdict_of(document("x", "us", SAMPLES, 100, 0.9), document("x", "us", SAMPLES, 130, 0.9), &worse),
		"same");
	assert_int_equal(worse, 0);
}

static void twice_as_slow_is_worse(void **state)
{
	unsigned worse;

	assert_string_equal(
		verdict_of(document("x", "us", SAMPLES, 100, 0.1), document("x", "us", SAMPLES, 200, 0.1), &worse),
		"worse");
	assert_int_equal(worse, 1);
	assert_string_equal(
		verdict_of(document("x", "us", SAMPLES, 200, 0.1), document("x", "us", SAMPLES, 100, 0.1), &worse),
		"better");
	assert_int_equal(worse, 0);
}

/* Of a rate more is better. */
static void half_the_rate_is_worse(void **state)
{
	unsigned worse;

	assert_string_equal(verdict_of(document("x", "bytes_per_s", SAMPLES, 1e9, 0.1),
				       document("x", "bytes_per_s", SAMPLES, 5e8, 0.1), &worse),
			    "worse");
	assert_string_equal(verdict_of(document("x", "bytes_per_s", SAMPLES, 5e8, 0.1),
				       document("x", "bytes_per_s", SAMPLES, 1e9, 0.1), &worse),
			    "better");
	assert_int_equal(worse, 0);
}

static void beyond_the_noise_may_still_be_little(void **state)
{
	unsigned worse;

	assert_string_equal(
		verdict_of(document("x", "us", SAMPLES, 100, 0.01), document("x", "us", SAMPLES, 105, 0.01), &worse),
		"little");
	assert_int_equal(worse, 0);
}

static void few_samples_cannot_tell(void **state)
{
	unsigned worse;

	assert_string_equal(
		verdict_of(document("x", "us", 7, 100, 0.01), document("x", "us", SAMPLES, 900, 0.01), &worse),
		"unsure");
	assert_string_equal(
		verdict_of(document("x", "us", SAMPLES, 100, 0.01), document("x", "us", 1, 900, 0.01), &worse),
		"unsure");
	assert_int_equal(worse, 0);
	assert_string_equal(verdict_of(document("x", "us", 8, 100, 0.01), document("x", "us", 8, 900, 0.01), &worse),
			    "worse");
}

static void something_out_of_nothing_is_worse(void **state)
{
	unsigned worse;

	assert_string_equal(
		verdict_of(document("x", "bytes", SAMPLES, 0, 0), document("x", "bytes", SAMPLES, 4096, 0), &worse),
		"worse");
	assert_string_equal(
		verdict_of(document("x", "bytes", SAMPLES, 0, 0), document("x", "bytes", SAMPLES, 0, 0), &worse),
		"same");
}

static const json_t *only(const json_t *diff, const char *key)
{
	assert_int_equal(json_array_size(json_object_get(diff, key)), 1);
	return json_array_get(json_object_get(diff, key), 0);
}

/* A series in another unit is another series. */
static void what_only_one_has_is_named(void **state)
{
	json_t *a = document("x", "us", SAMPLES, 1, 0), *b = document("y", "us", SAMPLES, 1, 0);
	json_t *c = document("x", "bytes", SAMPLES, 1, 0), *diff;
	struct gw_error e = GW_ERROR_NONE;
	unsigned worse;

	assert_int_equal(diff_documents(&diff, a, b, "a", "b", 0.1, &worse, &e), 0);
	assert_string_equal(json_string_value(json_object_get(only(diff, "only_a"), "name")), "x");
	assert_string_equal(json_string_value(json_object_get(only(diff, "only_b"), "name")), "y");
	json_decref(diff);
	assert_int_equal(diff_documents(&diff, a, c, "a", "c", 0.1, &worse, &e), 0);
	only(diff, "only_a");
	only(diff, "only_b");
	assert_int_equal(json_array_size(json_object_get(diff, "series")), 0);
	json_decref(diff);
	json_decref(a);
	json_decref(b);
	json_decref(c);
}

static void another_device_is_named(void **state)
{
	json_t *a = document("x", "us", SAMPLES, 1, 0), *b = document("x", "us", SAMPLES, 1, 0), *diff;
	struct gw_error e = GW_ERROR_NONE;
	unsigned worse;

	json_object_set_new(json_object_get(b, "device"), "migration_flags", json_pack("[s, s]", "STOP_COPY", "P2P"));
	assert_int_equal(diff_documents(&diff, a, b, "a", "b", 0.1, &worse, &e), 0);
	assert_string_equal(json_string_value(json_object_get(only(diff, "differences"), "key")), "migration_flags");
	json_decref(diff);
	json_decref(a);
	json_decref(b);
}

/* Documents made by hand, all of them refused with a sentence that names the file. */
static void wrong_documents_are_refused(void **state)
{
#define SERIES "{\"group\": \"arc\", \"name\": \"x\", \"on\": \"device\", \"unit\": \"us\", \"samples\": [1]}"
	static const char *const wrong[] = {
		"[]",
		"{}",
		"{\"document\": \"estimate\", \"measures\": []}",
		"{\"document\": \"bench\"}",
		"{\"document\": \"bench\", \"measures\": {}}",
		"{\"document\": \"bench\", \"measures\": [7]}",
		"{\"document\": \"bench\", \"measures\": [{\"group\": \"arc\", \"name\": \"x\", \"on\": \"device\", "
		"\"unit\": \"us\"}]}",
		"{\"document\": \"bench\", \"measures\": [{\"group\": \"arc\", \"name\": \"x\", \"on\": \"device\", "
		"\"unit\": \"us\", \"samples\": []}]}",
		"{\"document\": \"bench\", \"measures\": [{\"group\": \"arc\", \"name\": \"x\", \"on\": \"device\", "
		"\"unit\": \"us\", \"samples\": [\"1\"]}]}",
		"{\"document\": \"bench\", \"measures\": [{\"group\": \"arc\", \"name\": \"x\", \"on\": \"device\", "
		"\"unit\": \"us\", \"samples\": [-1]}]}",
		"{\"document\": \"bench\", \"measures\": [{\"group\": \"arc\", \"name\": \"x\", \"on\": \"device\", "
		"\"unit\": \"miles\", \"samples\": [1]}]}",
		"{\"document\": \"bench\", \"measures\": [{\"group\": \"arc\", \"name\": \"\", \"on\": \"device\", "
		"\"unit\": \"us\", \"samples\": [1]}]}",
		"{\"document\": \"bench\", \"measures\": [{\"group\": \"arc\", \"name\": "
		"\"0123456789012345678901234567890123456789012345678901234567890123\", \"on\": \"device\", "
		"\"unit\": \"us\", \"samples\": [1]}]}",
		"{\"document\": \"bench\", \"measures\": [" SERIES ", " SERIES "]}",
	};
	json_t *good = document("x", "us", SAMPLES, 1, 0);

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct gw_error e = GW_ERROR_NONE;
		json_t *bad = json_loads(wrong[i], 0, NULL), *diff = NULL;
		unsigned worse;

		assert_non_null(bad);
		assert_true(diff_documents(&diff, good, bad, "good", "bad", 0.1, &worse, &e) < 0);
		assert_string_equal(e.where, "bad");
		assert_true(e.what[0]);
		assert_null(diff);
		assert_true(diff_documents(&diff, bad, good, "bad", "good", 0.1, &worse, NULL) < 0);
		json_decref(bad);
	}
	json_decref(good);
}

/* What is written is what is read. */
static void series_survive_json(void **state)
{
	struct measure_list list = { 0 }, back = { 0 };
	struct gw_error e = GW_ERROR_NONE;
	json_t *array;

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(measure_add(&list, "device", "arc", "a:b", MEASURE_US, 100 - i), 0);
	assert_int_equal(measure_add(&list, "peer", "load", "1M", MEASURE_RATE, 5e9), 0);
	measure_sort(&list);
	array = measure_to_json(&list);
	assert_int_equal(json_array_size(array), 2);
	assert_int_equal(measure_from_json(&back, array, "array", &e), 0);
	assert_int_equal(back.nr, 2);
	assert_true(measure_quantile(measure_find(&back, "device", "arc", "a:b"), 0.99) == 99);
	assert_int_equal(measure_find(&back, "peer", "load", "1M")->unit, MEASURE_RATE);
	assert_null(measure_find(&back, "device", "load", "1M"));
	json_decref(array);
	measure_fini(&list);
	measure_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_samples_are_the_same),
		cmocka_unit_test(what_the_noise_covers_is_the_same),
		cmocka_unit_test(twice_as_slow_is_worse),
		cmocka_unit_test(half_the_rate_is_worse),
		cmocka_unit_test(beyond_the_noise_may_still_be_little),
		cmocka_unit_test(few_samples_cannot_tell),
		cmocka_unit_test(something_out_of_nothing_is_worse),
		cmocka_unit_test(what_only_one_has_is_named),
		cmocka_unit_test(another_device_is_named),
		cmocka_unit_test(wrong_documents_are_refused),
		cmocka_unit_test(series_survive_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
