/* SPDX-License-Identifier: BSD-3-Clause */
/* The arbiter in a directory: who wins, races, lost replies and damaged files. */
#include "base/bits.h"

#include <godwit/arbiter.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "arbiter_place.h"
#include "arbiter_storage.h"

#include "arbiter_race.h"

#define HEAD "godwit owner 1\nid " HEX "\n"

static void one_side_wins_for_ever(void **state)
{
	static const uint8_t other[GW_ARBITER_ID_BYTES] = { 0xfe, 0xdc, 0, 8 };
	struct place place;

	place_open(&place);
	assert_int_equal(gw_arbiter_check(place.arbiter, NULL), 0);
	assert_int_equal(nr_files(&place), 0);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_claim_fails(&place, -EBUSY, "belongs to the destination");
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_int_equal(gw_arbiter_claim(place.arbiter, other, GW_SIDE_SOURCE, NULL), 0);

	gw_arbiter_close(place.arbiter); /* another process, later */
	place.arbiter = open_dir(place.dir);
	assert_int_equal(gw_arbiter_check(place.arbiter, NULL), 0);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), -EBUSY);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	place_close(&place, 3); /* and that the source was told */
}

static void the_owner_file_is_for_everyone_to_read(void **state)
{
	mode_t mask = umask(077);
	struct place place;

	place_open(&place);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	umask(mask);
	assert_file(&place, OWNER, HEAD "side source\n");
	place_close(&place, 1);
}

static void a_relative_directory_stays_where_it_was(void **state)
{
	char here[PATH_MAX];
	struct place place;

	assert_non_null(getcwd(here, sizeof(here)));
	place_open(&place);
	gw_arbiter_close(place.arbiter);
	assert_int_equal(chdir("/tmp"), 0);
	place.arbiter = open_dir(place.dir + strlen("/tmp/"));
	assert_int_equal(chdir(here), 0);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	place_close(&place, 1);
}

static void claim_once(struct race *race, enum gw_side side, unsigned round)
{
	race->ret[side - 1][round] = race_claim(race, side, round);
}

static void exactly_one_wins_a_race(void **state)
{
	struct race *race = race_open(claim_once, claim_once);
	unsigned nr_files_left = NR_RACES;

	race_run(race, state);
	for (unsigned i = 0; i < NR_RACES; i++) {
		assert_int_equal(race->ret[0][i] + race->ret[1][i], -EBUSY);
		assert_true(!race->ret[0][i] || !race->ret[1][i]);
		nr_files_left += race->ret[0][i] == -EBUSY; /* for a source that was told */
	}
	race_close(race, nr_files_left);
}

static const struct reply {
	bool skipped;
	int error, got;
	unsigned nr_files;
} replies[] = {
	{ false, ETIMEDOUT, 0, 1 }, /* made, and the reply lost */
	{ false, EEXIST, 0, 1 },    /* made, and answered to the request's repetition */
	{ false, EIO, 0, 1 },         { true, ETIMEDOUT, -ETIMEDOUT, 0 },
	{ true, EEXIST, -EEXIST, 0 }, /* whoever was there has been removed */
	{ true, EBUSY, -EIO, 0 },     /* must not pass for the other side's win, */
	{ true, EINVAL, -EIO, 0 },    /* nor for a call that made no sense */
	{ true, EPERM, -EPERM, 0 },
};

static void the_owner_file_has_the_last_word(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(replies); i++) {
		const struct reply *r = &replies[i];
		struct gw_error e = GW_ERROR_NONE;
		struct place place;

		place_open(&place);
		storage.link_skipped = r->skipped;
		storage.link_error = r->error;
		assert_int_equal(gw_arbiter_claim(place.arbiter, id, GW_SIDE_SOURCE, &e), r->got);
		assert_int_equal(e.code, r->got);
		assert_int_equal(nr_files(&place), r->nr_files);
		storage.link_skipped = false;
		storage.link_error = 0;
		assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
		assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EBUSY);
		place_close(&place, 1);
	}
}

static void a_death_after_the_link_is_read_again(void **state)
{
	struct place place;
	int status;
	pid_t child;

	place_open(&place);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		storage.link_dies = true;
		claim(&place, GW_SIDE_DESTINATION);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), STORAGE_DIED);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), -EBUSY);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	place_close(&place, 3); /* the dead one's temporary, too: nobody else may take it for dead */
}

static void nothing_is_known_before_the_directory_is_synced(void **state)
{
	struct place place;

	place_open(&place);
	storage.dir_sync_error = EIO;
	assert_int_equal(gw_arbiter_check(place.arbiter, NULL), -EIO);
	assert_int_equal(nr_files(&place), 0);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EIO);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EIO);
	assert_claim_fails(&place, -EIO, "cannot be made durable");
	storage.dir_sync_error = 0;
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), -EBUSY);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	place_close(&place, 2);
}

static void a_damaged_owner_file_tells_nothing(void **state)
{
	static const char *const damaged[] = {
		"",
		"\n",
		HEAD,
		HEAD "side sourc",
		HEAD "side source",
		HEAD "side nobody\n",
		"godwit owner 2\nid fedc0007000000000000000000000000\nside source\n",
		"godwit owner 1\nid fedc0008000000000000000000000000\nside source\n",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(damaged); i++) {
		struct place place;

		place_open(&place);
		write_in(&place, OWNER, damaged[i]);
		assert_claim_fails(&place, -EBADMSG, "does not say who owns");
		assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EBADMSG);
		place_close(&place, 1);
	}
}

static void what_is_no_file_tells_nothing(void **state)
{
	struct place place;

	place_open(&place);
	assert_int_equal(mkfifo(in(&place, OWNER), 0644), 0); /* and is not waited for */
	assert_claim_fails(&place, -EBADMSG, "does not say who owns");
	assert_int_equal(unlink(in(&place, OWNER)), 0);
	assert_int_equal(mkdir(in(&place, OWNER), 0755), 0);
	assert_claim_fails(&place, -EISDIR, "cannot be read");
	assert_int_equal(rmdir(in(&place, OWNER)), 0);
	write_in(&place, "elsewhere", HEAD "side source\n");
	assert_int_equal(symlink("elsewhere", in(&place, OWNER)), 0);
	assert_claim_fails(&place, -ELOOP, "cannot be read");
	place_close(&place, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_side_wins_for_ever),
		cmocka_unit_test(the_owner_file_is_for_everyone_to_read),
		cmocka_unit_test(a_relative_directory_stays_where_it_was),
		cmocka_unit_test_prestate(exactly_one_wins_a_race, (void *)&in_threads),
		cmocka_unit_test_prestate(exactly_one_wins_a_race, (void *)&in_processes),
		cmocka_unit_test(the_owner_file_has_the_last_word),
		cmocka_unit_test(a_death_after_the_link_is_read_again),
		cmocka_unit_test(nothing_is_known_before_the_directory_is_synced),
		cmocka_unit_test(a_damaged_owner_file_tells_nothing),
		cmocka_unit_test(what_is_no_file_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
