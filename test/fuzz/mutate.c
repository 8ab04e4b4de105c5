/* SPDX-License-Identifier: BSD-3-Clause */
/* A few edits to a copy of one input. Edits that do not fit do nothing. */
#include "mutate.h"

#include <string.h>

#define MAX_EDITS 8
#define MAX_RUN   64u

struct mutant {
	uint64_t random;
	uint8_t *bytes;
	size_t size, room;
	const struct input *other; /* to borrow from */
};

/* splitmix64 (Steele, Lea, Flood 2014): every seed, also 0 and 1, is a good one. */
static uint64_t next(struct mutant *m)
{
	uint64_t z = m->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* 0 .. limit - 1, and 0 for limit 0. */
static size_t below(struct mutant *m, size_t limit)
{
	return limit ? next(m) % limit : 0;
}

static void flip_bit(struct mutant *m)
{
	if (m->size)
		m->bytes[below(m, m->size)] ^= (uint8_t)(1u << below(m, 8));
}

static void set_byte(struct mutant *m)
{
	if (m->size)
		m->bytes[below(m, m->size)] = (uint8_t)next(m);
}

/* Small steps find the neighbours of a bound. */
static void step_byte(struct mutant *m)
{
	if (m->size)
		m->bytes[below(m, m->size)] += (uint8_t)(below(m, 9) - 4);
}

/* A length, count or offset of 1 to 8 bytes becomes a bound of its type, or of half of it. */
static void set_bound(struct mutant *m)
{
	static const uint64_t bounds[] = { 0,         1,          INT8_MAX,  UINT8_MAX,  INT16_MAX, UINT16_MAX,
					   INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, 4096,      1u << 20 };
	size_t width = (size_t)1 << below(m, 4);
	uint64_t value = bounds[below(m, sizeof(bounds) / sizeof(bounds[0]))] + below(m, 3) - 1;
	size_t at = below(m, m->size);

	for (size_t i = 0; i < width && at + i < m->size; i++)
		m->bytes[at + i] = (uint8_t)(value >> 8 * i);
}

/* Room for run bytes at a place of its choice; what is there is what was. */
static uint8_t *open_gap(struct mutant *m, size_t run)
{
	size_t at = below(m, m->size + 1);

	if (run > m->room - m->size)
		return NULL;
	memmove(m->bytes + at + run, m->bytes + at, m->size - at);
	m->size += run;
	return m->bytes + at;
}

static void insert_run(struct mutant *m)
{
	size_t run = 1 + below(m, MAX_RUN);
	uint8_t *gap = open_gap(m, run);

	if (gap)
		memset(gap, (int)(next(m) & 0xff), run);
}

static void erase_run(struct mutant *m)
{
	size_t at = below(m, m->size), run = 1 + below(m, MAX_RUN);

	if (run > m->size - at)
		run = m->size - at;
	memmove(m->bytes + at, m->bytes + at + run, m->size - at - run);
	m->size -= run;
}

static void borrow(struct mutant *m)
{
	size_t at = below(m, m->other->size), run = 1 + below(m, m->other->size - at);
	uint8_t *gap;

	if (!m->other->size)
		return;
	gap = open_gap(m, run);
	if (gap)
		memcpy(gap, m->other->bytes + at, run);
}

static void cut_short(struct mutant *m)
{
	m->size = below(m, m->size + 1);
}

size_t mutate(const struct input *corpus, size_t nr, uint64_t seed, uint8_t *mutant, size_t room)
{
	static void (*const edits[])(struct mutant *) = { flip_bit,   flip_bit,  set_byte, step_byte, set_bound,
							  insert_run, erase_run, borrow,   cut_short };
	struct mutant m = { .random = seed, .bytes = mutant };
	const struct input *parent = &corpus[below(&m, nr)];
	size_t nr_edits = 1 + below(&m, MAX_EDITS);

	m.other = &corpus[below(&m, nr)];
	m.size = parent->size;
	m.room = parent->size + MUTATE_GROWTH < room ? parent->size + MUTATE_GROWTH : room;
	if (m.size)
		memcpy(m.bytes, parent->bytes, m.size);
	for (size_t i = 0; i < nr_edits; i++)
		edits[below(&m, sizeof(edits) / sizeof(edits[0]))](&m);
	return m.size;
}
