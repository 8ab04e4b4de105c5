/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stream of a reference device that has re-armed: one in which a set is missing, short or misplaced is refused,
 * also where every block in it is right.
 */
#include "test/unit/rearm_rig.h"

/* Where the nth record of a type begins. */
static size_t find(const struct rig *r, uint32_t type, unsigned n)
{
	size_t at = STATE_HEAD_BYTES;

	while (at < r->size) {
		struct cursor c = cursor_over(r->stream + at, r->size - at);
		struct state_record record = state_record_decode(&c);

		if (record.type == type && !n--)
			return at;
		at += STATE_RECORD_BYTES + record.bytes;
	}
	fail();
	return 0;
}

static int load_with(const struct rig *r, size_t at, const void *bytes, size_t size)
{
	uint8_t *copy = malloc(r->size);
	int ret;

	assert_non_null(copy);
	memcpy(copy, r->stream, r->size);
	memcpy(copy + at, bytes, size);
	ret = load(copy, r->size, &r->dev);
	free(copy);
	return ret;
}

/* The same stream without a piece, or with a piece of it copied to a place before it. */
static int load_without(const struct rig *r, size_t at, size_t size)
{
	uint8_t *copy = malloc(r->size);
	int ret;

	assert_non_null(copy);
	memcpy(copy, r->stream, at);
	memcpy(copy + at, r->stream + at + size, r->size - at - size);
	ret = load(copy, r->size - size, &r->dev);
	free(copy);
	return ret;
}

static int load_copied(const struct rig *r, size_t from, size_t size, size_t at)
{
	uint8_t *copy = malloc(r->size + size);
	int ret;

	assert_non_null(copy);
	memcpy(copy, r->stream, at);
	memcpy(copy + at, r->stream + from, size);
	memcpy(copy + at + size, r->stream + at, r->size - at);
	ret = load(copy, r->size + size, &r->dev);
	free(copy);
	return ret;
}

/* Nothing was written, so that the digest alone would find all of these good. */
static void sets_that_do_not_fit_are_refused(void **state)
{
	const uint64_t none = 0, many = 17, three = 3, five = 5, wrong = 7;
	size_t first, second, trailer;
	struct rig r;

	start(&r, 2, 0);
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	for (int i = 0; i < 2; i++) {
		ask(&r);
		take(&r, ask(&r).initial);
	}
	go(&r, MIG_STOP_COPY);
	take_all(&r);
	first = find(&r, STATE_REARM, 0);
	second = find(&r, STATE_REARM, 1);
	trailer = find(&r, STATE_TRAILER, 0);
	assert_int_equal(second, first + REARMED);
	assert_int_equal(load(r.stream, r.size, &r.dev), 0);

	/* A whole set, a block of one, its record, are lost; come twice. */
	assert_int_equal(load_without(&r, first, REARMED), -EBADMSG);
	assert_int_equal(load_without(&r, second, REARMED), -EBADMSG);
	assert_int_equal(load_without(&r, second, REARMED - 4 * BLOCK), -EBADMSG);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(load_without(&r, second - (i + 1) * BLOCK, BLOCK), -EBADMSG);
	assert_int_equal(load_copied(&r, first, REARMED, first), -EBADMSG);
	assert_int_equal(load_copied(&r, second - 2 * BLOCK, BLOCK, second - 2 * BLOCK), -EBADMSG);
	assert_int_equal(load_copied(&r, second, REARMED - 4 * BLOCK, second), -EBADMSG);

	/* Its number, its count, the count of all. */
	assert_int_equal(load_with(&r, first + 8, &none, 8), -EBADMSG);
	assert_int_equal(load_with(&r, second + 8, &wrong, 8), -EBADMSG);
	assert_int_equal(load_with(&r, first + STATE_RECORD_BYTES, &none, 8), -EBADMSG);
	assert_int_equal(load_with(&r, first + STATE_RECORD_BYTES, &many, 8), -EBADMSG);
	assert_int_equal(load_with(&r, first + STATE_RECORD_BYTES, &five, 8), -EBADMSG);
	assert_int_equal(load_with(&r, second + STATE_RECORD_BYTES, &three, 8), 0); /* the fourth is one like any */
	assert_int_equal(load_with(&r, trailer + 8, &none, 8), -EBADMSG);
	assert_int_equal(load_with(&r, trailer + 8, &three, 8), -EBADMSG);
	end(&r);
}

/* A set of all the memory could pass for the blocks: not before the layout, and not after the registers. */
static void sets_have_their_place(void **state)
{
	size_t layout, rearm, device, trailer;
	struct rig r;

	start(&r, 1, 0);
	r.options.initial_bytes = MEMORY;
	go(&r, MIG_PRE_COPY);
	take(&r, ask(&r).initial);
	ask(&r);
	take(&r, ask(&r).initial);
	go(&r, MIG_STOP_COPY);
	take_all(&r);
	layout = find(&r, STATE_LAYOUT, 0);
	rearm = find(&r, STATE_REARM, 0);
	device = find(&r, STATE_DEVICE, 0);
	trailer = find(&r, STATE_TRAILER, 0);
	assert_int_equal(load(r.stream, r.size, &r.dev), 0);
	assert_int_equal(load_without(&r, layout + STATE_RECORD_BYTES + ref_registers_layout_bytes(), 16 * BLOCK), 0);
	assert_int_equal(load_without(&r, layout, rearm - layout), -EBADMSG);
	assert_int_equal(load_copied(&r, device, trailer - device, rearm), -EBADMSG);
	end(&r);
}

/* The set is the last thing before DEVICE: it must be whole there too. */
static void a_set_cut_by_the_end_is_refused(void **state)
{
	const uint64_t five = 5;
	struct rig r;
	size_t rearm;

	start(&r, 1, 0);
	go(&r, MIG_PRE_COPY);
	take_all(&r);
	ask(&r);
	assert_true(ask(&r).reinit);
	go(&r, MIG_STOP_COPY);
	take_all(&r);
	rearm = find(&r, STATE_REARM, 0);
	assert_int_equal(find(&r, STATE_DEVICE, 0), rearm + REARMED);
	assert_int_equal(load(r.stream, r.size, &r.dev), 0);
	assert_int_equal(load_with(&r, rearm + STATE_RECORD_BYTES, &five, 8), -EBADMSG);
	assert_int_equal(load_without(&r, rearm + REARMED - BLOCK, BLOCK), -EBADMSG);
	assert_int_equal(load_without(&r, rearm + REARMED - 4 * BLOCK, 4 * BLOCK), -EBADMSG);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_that_do_not_fit_are_refused),
		cmocka_unit_test(sets_have_their_place),
		cmocka_unit_test(a_set_cut_by_the_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
