/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty set: marking, merging and taking, the walk over dirty chunks, and that no page is lost between threads. */
#include "memory/dirty.h"

#include "base/bitmap.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HVA(n) ((void *)(uintptr_t)(n))

/* Never touched here: a dirty set knows addresses, not memory. 3 chunks (the last short), then 130. */
static const struct gw_ram_block blocks[] = {
	{ "low", 0x0, 5 * MIB, HVA(0x10000000) },
	{ "high", 0x100000000, 260 * MIB, HVA(0x20000000) },
};

struct fixture {
	struct ram ram;
	struct dirty dirty;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_int_equal(ram_init(&f->ram, blocks, ARRAY_SIZE(blocks), NULL), 0);
	assert_int_equal(dirty_init(&f->dirty, &f->ram), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	dirty_fini(&f->dirty);
	dirty_fini(&f->dirty);
	free(f);
	return 0;
}

static void all_is_taken_once(void **state)
{
	struct fixture *f = *state;
	uint64_t words[LIMIT_CHUNK_WORDS], taken = 0;

	assert_int_equal(dirty_pages(&f->dirty), 0);
	dirty_mark_all(&f->dirty);
	assert_int_equal(dirty_pages(&f->dirty), f->ram.total_pages);
	for (uint64_t chunk = 0; chunk < f->ram.nr_chunks; chunk++) {
		taken += dirty_take_chunk(&f->dirty, chunk, words);
		assert_int_equal(dirty_take_chunk(&f->dirty, chunk, words), 0);
	}
	assert_int_equal(taken, f->ram.total_pages);
	assert_int_equal(dirty_pages(&f->dirty), 0);
}

static void a_short_chunk_has_no_pages_past_its_end(void **state)
{
	struct fixture *f = *state;
	uint64_t words[LIMIT_CHUNK_WORDS];

	dirty_mark_all(&f->dirty);
	memset(words, 0xff, sizeof(words));
	assert_int_equal(dirty_take_chunk(&f->dirty, 2, words), 256);
	assert_int_equal(words[3], UINT64_MAX);
	for (unsigned w = 4; w < LIMIT_CHUNK_WORDS; w++)
		assert_int_equal(words[w], 0);
}

static void a_range_marks_what_it_touches(void **state)
{
	struct fixture *f = *state;
	uint64_t words[LIMIT_CHUNK_WORDS];

	dirty_mark(&f->dirty, 0x1fff, 2); /* the last byte of page 1, the first of page 2 */
	assert_int_equal(dirty_take_chunk(&f->dirty, 0, words), 2);
	assert_int_equal(words[0], 6);

	dirty_mark(&f->dirty, 5 * MIB, 0x1000); /* no RAM there */
	dirty_mark(&f->dirty, 0x1000, 0);
	assert_int_equal(dirty_pages(&f->dirty), 0);

	dirty_mark(&f->dirty, 4 * MIB, UINT64_MAX); /* the rest of one block, the whole of the other */
	assert_int_equal(dirty_pages(&f->dirty), 256 + 260 * MIB / 4096);
}

static void merge_counts_what_is_new(void **state)
{
	struct fixture *f = *state;
	uint64_t *log = bitmap_new(ram_block_pages(&f->ram, 0));

	bitmap_set(log, 0);
	bitmap_set(log, 1279);
	assert_int_equal(dirty_merge(&f->dirty, 0, log), 2);
	bitmap_set(log, 600);
	assert_int_equal(dirty_merge(&f->dirty, 0, log), 1);
	assert_int_equal(dirty_pages(&f->dirty), 3);
	assert_int_equal(dirty_next_chunk(&f->dirty, 0, 1), 0);
	assert_int_equal(dirty_next_chunk(&f->dirty, 1, 1), 1);
	assert_int_equal(dirty_next_chunk(&f->dirty, 2, 1), 2);
	assert_int_equal(dirty_next_chunk(&f->dirty, 3, 1), f->ram.nr_chunks);
	free(log);
}

static void the_walk_stays_in_step(void **state)
{
	struct fixture *f = *state;
	uint64_t words[LIMIT_CHUNK_WORDS];

	dirty_mark(&f->dirty, 0x100000000 + 97 * LIMIT_CHUNK_BYTES, 1); /* chunk 100 */
	for (uint64_t step = 1; step < 40; step++)
		for (uint64_t from = 0; from < 140; from++) {
			uint64_t want = from <= 100 && (100 - from) % step == 0 ? 100 : f->ram.nr_chunks;

			assert_int_equal(dirty_next_chunk(&f->dirty, from, step), want);
		}
	dirty_take_chunk(&f->dirty, 100, words);
	assert_int_equal(dirty_next_chunk(&f->dirty, 0, 1), f->ram.nr_chunks);
}

#define NR_MARKERS 3
#define NR_MARKS   20000u

struct marker {
	pthread_t thread;
	struct fixture *f;
	uint64_t marked; /* newly, as merge told */
	unsigned seed;
};

static void *mark_at_random(void *arg)
{
	struct marker *m = arg;
	uint64_t nr = ram_block_pages(&m->f->ram, 0);
	uint64_t *log = bitmap_new(nr);

	for (unsigned i = 0; i < NR_MARKS; i++) {
		uint64_t page = (uint64_t)rand_r(&m->seed) % nr;

		bitmap_set(log, page);
		m->marked += dirty_merge(&m->f->dirty, 0, log);
		bitmap_clear(log, page);
	}
	free(log);
	return NULL;
}

/* What was newly marked is what was taken: found by the walk, while others mark. */
static void nothing_is_lost_between_threads(void **state)
{
	struct marker markers[NR_MARKERS] = { 0 };
	uint64_t words[LIMIT_CHUNK_WORDS], marked = 0, taken = 0, chunk;
	struct fixture *f = *state;

	for (unsigned i = 0; i < NR_MARKERS; i++) {
		markers[i] = (struct marker){ .f = f, .seed = i };
		assert_int_equal(pthread_create(&markers[i].thread, NULL, mark_at_random, &markers[i]), 0);
	}
	for (unsigned round = 0; round < 5000; round++)
		for (chunk = 0; (chunk = dirty_next_chunk(&f->dirty, chunk, 1)) < f->ram.nr_chunks; chunk++)
			taken += dirty_take_chunk(&f->dirty, chunk, words);
	for (unsigned i = 0; i < NR_MARKERS; i++) {
		pthread_join(markers[i].thread, NULL);
		marked += markers[i].marked;
	}
	for (chunk = 0; (chunk = dirty_next_chunk(&f->dirty, chunk, 1)) < f->ram.nr_chunks; chunk++)
		taken += dirty_take_chunk(&f->dirty, chunk, words);
	assert_int_equal(taken, marked);
	assert_int_equal(dirty_pages(&f->dirty), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_is_taken_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_short_chunk_has_no_pages_past_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(a_range_marks_what_it_touches, setup, teardown),
		cmocka_unit_test_setup_teardown(merge_counts_what_is_new, setup, teardown),
		cmocka_unit_test_setup_teardown(the_walk_stays_in_step, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_lost_between_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
