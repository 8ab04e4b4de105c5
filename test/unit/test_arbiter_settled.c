/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arbiter in a directory: a source that is told that the destination has the guest lets its own go, so a give_back
 * that succeeds and that answer exclude each other, whichever is first, and whatever dies, crashes or gets lost.
 */
#include "base/bits.h"

#include <godwit/arbiter.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "arbiter_place.h"
#include "arbiter_storage.h"

#include "arbiter_race.h"

#define NR_ASKS 3
#define KEPT    "godwit settled 1\nid " HEX "\nclaim kept\n"

static void place_lend(struct place *place)
{
	place_open(place);
	assert_int_equal(claim(place, GW_SIDE_DESTINATION), 0);
}

/* Whoever asks, and in whatever order: what was given back is the source's, and what was not, never will be. */
static void assert_given_back(const struct place *place, bool was_given_back)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(give_back(place), was_given_back ? 0 : -EBUSY);
		assert_owner(place, was_given_back ? GW_SIDE_SOURCE : GW_SIDE_DESTINATION);
	}
}

static void a_source_that_was_told_cannot_be_given_the_guest(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct place place;

	place_lend(&place);
	assert_claim_fails(&place, -EBUSY, "belongs to the destination, by " OWNER);
	assert_int_equal(gw_arbiter_give_back(place.arbiter, id, &e), -EBUSY);
	assert_says(&place, &e, -EBUSY, "the source has let go of the guest, which can only run here, by " SETTLED);
	assert_given_back(&place, false);

	gw_arbiter_close(place.arbiter); /* another process, later */
	place.arbiter = open_dir(place.dir);
	assert_given_back(&place, false);
	place_close(&place, 2);
}

static void the_file_is_for_everyone_to_read(void **state)
{
	struct place place;
	mode_t mask;

	place_lend(&place);
	mask = umask(077);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), -EBUSY);
	umask(mask);
	assert_file(&place, SETTLED, KEPT);
	place_close(&place, 2);
}

static void only_a_source_that_is_told_settles(void **state)
{
	struct place place;

	place_lend(&place);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_false(is_there(&place, SETTLED));
	assert_given_back(&place, true);
	place_close(&place, 2);

	place_open(&place);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_false(is_there(&place, SETTLED));
	place_close(&place, 1);
}

static const struct reply {
	bool skipped;
	int error, got;
} replies[] = {
	{ false, ETIMEDOUT, -EBUSY },    { false, EEXIST, -EBUSY }, { false, EIO, -EBUSY },
	{ true, ETIMEDOUT, -ETIMEDOUT }, { true, EEXIST, -EEXIST }, { true, ENOSPC, -ENOSPC },
	{ true, EROFS, -EROFS },         { true, EBUSY, -EIO }, /* must not pass for an answer */
};

static void the_file_has_the_last_word(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(replies); i++) {
		const struct reply *r = &replies[i];
		struct gw_error e = GW_ERROR_NONE;
		struct place place;

		place_lend(&place);
		storage.link_skipped = r->skipped;
		storage.link_error = r->error;
		assert_int_equal(gw_arbiter_claim(place.arbiter, id, GW_SIDE_SOURCE, &e), r->got);
		assert_int_equal(e.code, r->got);
		storage.link_skipped = false;
		storage.link_error = 0;
		assert_given_back(&place, r->got != -EBUSY);
		place_close(&place, 2);
	}
}

/* What was settled before: nobody needs to make anything. */
static void what_is_settled_is_found_where_nothing_can_be_made(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct place place;

		place_lend(&place);
		assert_int_equal(i ? give_back(&place) : claim(&place, GW_SIDE_SOURCE), i ? 0 : -EBUSY);
		storage.link_skipped = true;
		storage.link_error = ENOSPC;
		assert_given_back(&place, i);
		storage.link_skipped = false;
		storage.link_error = 0;
		place_close(&place, 2);
	}
}

/* The first link is that of .owner, which is there. */
static void die_claiming(const struct place *place, bool link_skipped)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		storage.nr_links_spared = 1;
		storage.link_skipped = link_skipped;
		storage.link_dies = true;
		claim(place, GW_SIDE_SOURCE);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), STORAGE_DIED);
}

static void a_source_that_dies_settles_by_the_link_alone(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct place place;

		place_lend(&place);
		die_claiming(&place, i);
		assert_given_back(&place, i);
		place_close(&place, 3); /* and the dead one's temporary */
	}
}

static void nothing_is_answered_before_it_is_durable(void **state)
{
	struct place place;

	place_lend(&place);
	storage.dir_sync_error = EIO;
	assert_claim_fails(&place, -EIO, "cannot be made durable");
	assert_true(is_there(&place, SETTLED));
	assert_int_equal(give_back(&place), -EIO); /* seen, but may be gone after a crash */
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EIO);
	storage.dir_sync_error = 0;
	storage.nr_dir_syncs = 0;
	assert_int_equal(give_back(&place), -EBUSY);
	assert_int_equal(storage.nr_dir_syncs, 1);
	assert_given_back(&place, false);
	place_close(&place, 2);
}

/* A sync that came before the link would not do. */
static void what_is_answered_is_durable(void **state)
{
	struct place place;

	place_lend(&place);
	assert_true(storage.is_durable);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), -EBUSY);
	assert_true(storage.is_durable);
	place_close(&place, 2);

	place_lend(&place);
	assert_int_equal(give_back(&place), 0);
	assert_true(storage.is_durable);
	place_close(&place, 2);
}

/* Neither file was synced, the storage crashed, and only the later one was on its disk. */
static void crash_but_for_kept(struct place *place)
{
	place_open(place);
	storage.dir_sync_error = EIO;
	assert_int_equal(claim(place, GW_SIDE_DESTINATION), -EIO);
	assert_int_equal(claim(place, GW_SIDE_SOURCE), -EIO);
	storage.dir_sync_error = 0;
	assert_int_equal(unlink(in(place, OWNER)), 0);
}

static void a_crash_that_leaves_kept_alone_leaves_it_to_whoever_claims(void **state)
{
	struct place place;

	crash_but_for_kept(&place);
	assert_int_equal(give_back(&place), -EINVAL);
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_int_equal(give_back(&place), -EINVAL);
	place_close(&place, 2);

	crash_but_for_kept(&place);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_given_back(&place, false);
	place_close(&place, 2);
}

/* Each side has one answer in a round, however often it asks. */
static void ask_again_and_again(struct race *race, enum gw_side side, unsigned round)
{
	int first = race_claim(race, side, round);

	for (unsigned i = 1; i < NR_ASKS; i++)
		race->nr_wrong += race_claim(race, side, round) != first;
	race->ret[side - 1][round] = first;
}

static void give_back_again_and_again(struct race *race, enum gw_side side, unsigned round)
{
	int first = race_give_back(race, round);

	for (unsigned i = 1; i < NR_ASKS; i++)
		race->nr_wrong += race_give_back(race, round) != first;
	race->nr_wrong += race_claim(race, side, round) != (first ? 0 : -EBUSY);
	race->ret[side - 1][round] = first;
}

static void never_both_given_back_and_told(void **state)
{
	struct race *race = race_open(ask_again_and_again, give_back_again_and_again);

	for (unsigned i = 0; i < NR_RACES; i++)
		assert_int_equal(race_claim(race, GW_SIDE_DESTINATION, i), 0);
	race_run(race, state);
	for (unsigned i = 0; i < NR_RACES; i++) {
		assert_true(!race->ret[0][i] || race->ret[0][i] == -EBUSY);
		assert_int_equal(race->ret[0][i], race->ret[1][i]);
	}
	race_close(race, 2 * NR_RACES);
}

static void claim_and_give_back(struct race *race, enum gw_side side, unsigned round)
{
	bool is_mine = !race_claim(race, side, round);
	int ret = race_give_back(race, round);

	race->nr_wrong += is_mine ? ret && ret != -EBUSY : ret != -EINVAL;
	race->ret[side - 1][round] = ret;
}

/* The source is told that it owns the guest, unless the destination could not give it back. */
static void a_claim_that_is_raced_for_and_given_back_leaves_one_owner(void **state)
{
	struct race *race = race_open(ask_again_and_again, claim_and_give_back);
	unsigned nr_files_left = NR_RACES;

	race_run(race, state);
	for (unsigned i = 0; i < NR_RACES; i++) {
		assert_int_equal(race->ret[0][i], race->ret[1][i] == -EBUSY ? -EBUSY : 0);
		nr_files_left += race->ret[1][i] != -EINVAL;
	}
	race_close(race, nr_files_left);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_that_was_told_cannot_be_given_the_guest),
		cmocka_unit_test(the_file_is_for_everyone_to_read),
		cmocka_unit_test(only_a_source_that_is_told_settles),
		cmocka_unit_test(the_file_has_the_last_word),
		cmocka_unit_test(what_is_settled_is_found_where_nothing_can_be_made),
		cmocka_unit_test(a_source_that_dies_settles_by_the_link_alone),
		cmocka_unit_test(nothing_is_answered_before_it_is_durable),
		cmocka_unit_test(what_is_answered_is_durable),
		cmocka_unit_test(a_crash_that_leaves_kept_alone_leaves_it_to_whoever_claims),
		cmocka_unit_test_prestate(never_both_given_back_and_told, (void *)&in_threads),
		cmocka_unit_test_prestate(never_both_given_back_and_told, (void *)&in_processes),
		cmocka_unit_test_prestate(a_claim_that_is_raced_for_and_given_back_leaves_one_owner,
					  (void *)&in_threads),
		cmocka_unit_test_prestate(a_claim_that_is_raced_for_and_given_back_leaves_one_owner,
					  (void *)&in_processes),
	};

	storage.no_sync = true; /* what is asked is whether and when, and a disk would take its time */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
