/* SPDX-License-Identifier: BSD-3-Clause */
/* RAM in flight: what a broken connection swallowed is dirty again, and no more than that. */
#include "session/flight.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define CHUNKS 5u

struct place {
	struct ram ram;
	struct dirty dirty;
	struct flight flight;
	void *memory;
};

static struct place *open_place(void)
{
	struct place *p = calloc(1, sizeof(*p));
	struct gw_ram_block block = { .id = "ram", .size_bytes = CHUNKS * LIMIT_CHUNK_BYTES - GW_PAGE_BYTES };

	assert_non_null(p);
	p->memory = mmap(NULL, block.size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	block.hva = p->memory;
	assert_int_equal(ram_init(&p->ram, &block, 1, NULL), 0);
	assert_int_equal(dirty_init(&p->dirty, &p->ram), 0);
	assert_int_equal(flight_init(&p->flight), 0);
	return p;
}

static void close_place(struct place *p)
{
	flight_fini(&p->flight);
	dirty_fini(&p->dirty);
	munmap(p->memory, p->ram.total_pages * GW_PAGE_BYTES);
	free(p);
}

/* A frame with nr pages of the chunk. */
static void send(struct place *p, uint64_t chunk, uint64_t nr)
{
	uint64_t words[LIMIT_CHUNK_WORDS] = { (1ull << nr) - 1 };

	flight_add(&p->flight, chunk, words);
}

static void test_all_arrived(void **state)
{
	struct place *p = open_place();

	(void)state;
	send(p, 0, 3);
	send(p, 2, 4);
	assert_int_equal(flight_rewind(&p->flight, 2, 0, 2, &p->dirty), 0);
	assert_int_equal(dirty_pages(&p->dirty), 0);
	assert_int_equal(flight_rewind(&p->flight, 0, 0, 2, &p->dirty), 0); /* it begins anew */
	assert_int_equal(dirty_pages(&p->dirty), 0);
	close_place(p);
}

static void test_some_were_lost(void **state)
{
	uint64_t words[LIMIT_CHUNK_WORDS];
	struct place *p = open_place();

	(void)state;
	send(p, 0, 3);
	send(p, 2, 4);
	send(p, 4, 5);
	assert_int_equal(flight_rewind(&p->flight, 1, 0, 2, &p->dirty), 0);
	assert_int_equal(dirty_pages(&p->dirty), 9);
	assert_int_equal(dirty_take_chunk(&p->dirty, 2, words), 4);
	assert_int_equal(dirty_take_chunk(&p->dirty, 4, words), 5);
	close_place(p);
}

static void test_more_than_were_sent(void **state)
{
	struct place *p = open_place();

	(void)state;
	send(p, 0, 3);
	assert_int_equal(flight_rewind(&p->flight, 2, 0, 2, &p->dirty), -EPROTO);
	close_place(p);
}

/* Older than what is remembered: all of the lane, to its last, shorter chunk, and nothing of another lane. */
static void test_longer_than_the_memory(void **state)
{
	uint64_t words[LIMIT_CHUNK_WORDS];
	struct place *p = open_place();

	(void)state;
	for (unsigned i = 0; i < FLIGHT_FRAMES + 1; i++)
		send(p, 0, 1);
	assert_int_equal(flight_rewind(&p->flight, 0, 0, 2, &p->dirty), 0);
	assert_int_equal(dirty_pages(&p->dirty), 3 * LIMIT_CHUNK_PAGES - 1);
	assert_int_equal(dirty_take_chunk(&p->dirty, 1, words), 0);
	assert_int_equal(dirty_take_chunk(&p->dirty, 4, words), LIMIT_CHUNK_PAGES - 1);
	close_place(p);
}

static void test_just_as_long_as_the_memory(void **state)
{
	struct place *p = open_place();

	(void)state;
	for (unsigned i = 0; i < FLIGHT_FRAMES + 1; i++)
		send(p, 0, 1);
	assert_int_equal(flight_rewind(&p->flight, 1, 0, 2, &p->dirty), 0);
	assert_int_equal(dirty_pages(&p->dirty), 1);
	close_place(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_arrived),
		cmocka_unit_test(test_some_were_lost),
		cmocka_unit_test(test_more_than_were_sent),
		cmocka_unit_test(test_longer_than_the_memory),
		cmocka_unit_test(test_just_as_long_as_the_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
