/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arbiter in a directory: a destination gives its claim back. The source owns the id then, whatever dies, crashes
 * or gets lost; nobody else's claim is touched.
 */
#include "base/bits.h"

#include <godwit/arbiter.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "arbiter_place.h"
#include "arbiter_storage.h"

#define HEAD "godwit settled 1\nid " HEX "\n"

static void place_lend(struct place *place)
{
	place_open(place);
	assert_int_equal(claim(place, GW_SIDE_DESTINATION), 0);
}

static void assert_give_back_fails(const struct place *place, int code, const char *words)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_arbiter_give_back(place->arbiter, id, &e), code);
	assert_says(place, &e, code, words);
}

static void the_source_owns_what_was_given_back(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct place place;

	place_lend(&place);
	assert_int_equal(give_back(&place), 0);
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_int_equal(gw_arbiter_claim(place.arbiter, id, GW_SIDE_DESTINATION, &e), -EBUSY);
	assert_says(&place, &e, -EBUSY, "belongs to the source, by " SETTLED);

	gw_arbiter_close(place.arbiter); /* another process, later */
	place.arbiter = open_dir(place.dir);
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_int_equal(give_back(&place), 0); /* again, and after the source has claimed */
	assert_int_equal(give_back(&place), 0);
	assert_owner(&place, GW_SIDE_SOURCE);
	place_close(&place, 2);
}

static void the_file_is_for_everyone_to_read(void **state)
{
	struct place place;
	mode_t mask;

	place_lend(&place);
	mask = umask(077);
	assert_int_equal(give_back(&place), 0);
	umask(mask);
	assert_file(&place, SETTLED, HEAD "claim returned\n");
	place_close(&place, 2);
}

static void nobody_else_gives_back(void **state)
{
	static const uint8_t other[GW_ARBITER_ID_BYTES] = { 0xfe, 0xdc, 0, 8 };
	struct place place;

	place_open(&place);
	assert_int_equal(gw_arbiter_claim(place.arbiter, other, GW_SIDE_DESTINATION, NULL), 0);
	assert_give_back_fails(&place, -EINVAL, "belongs to nobody");
	assert_int_equal(nr_files(&place), 1);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	assert_give_back_fails(&place, -EINVAL, "belongs to the source");
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_int_equal(gw_arbiter_claim(place.arbiter, other, GW_SIDE_SOURCE, NULL), -EBUSY);
	place_close(&place, 3);
}

static void a_refused_one_does_not_bind_a_later_claim(void **state)
{
	struct place place;

	place_open(&place);
	assert_int_equal(give_back(&place), -EINVAL);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_owner(&place, GW_SIDE_DESTINATION);
	place_close(&place, 2);
}

static const struct reply {
	bool skipped;
	int error, got;
} replies[] = {
	{ false, ETIMEDOUT, 0 },   { false, EEXIST, 0 },  { false, EIO, 0 },      { true, ETIMEDOUT, -ETIMEDOUT },
	{ true, EEXIST, -EEXIST }, { true, EBUSY, -EIO }, { true, EINVAL, -EIO }, /* must not pass for "does not own it"
										   */
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
		assert_int_equal(gw_arbiter_give_back(place.arbiter, id, &e), r->got);
		assert_int_equal(e.code, r->got);
		storage.link_skipped = false;
		storage.link_error = 0;
		assert_int_equal(claim(&place, GW_SIDE_DESTINATION), r->got ? 0 : -EBUSY);
		assert_int_equal(give_back(&place), 0);
		assert_owner(&place, GW_SIDE_SOURCE);
		place_close(&place, 2);
	}
}

static void die_giving_back(const struct place *place, bool link_skipped)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		storage.link_skipped = link_skipped;
		storage.link_dies = true;
		give_back(place);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), STORAGE_DIED);
}

static void a_death_before_the_link_changes_nothing(void **state)
{
	struct place place;

	place_lend(&place);
	die_giving_back(&place, true);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_int_equal(give_back(&place), 0);
	assert_owner(&place, GW_SIDE_SOURCE);
	place_close(&place, 3); /* and the dead one's temporary */
}

static void a_death_after_the_link_is_read_again(void **state)
{
	struct place place;

	place_lend(&place);
	die_giving_back(&place, false);
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_int_equal(give_back(&place), 0);
	place_close(&place, 3);
}

static void nothing_is_known_before_the_directory_is_synced(void **state)
{
	struct place place;

	place_lend(&place);
	storage.dir_sync_error = EIO;
	assert_give_back_fails(&place, -EIO, "cannot be made durable");
	assert_int_equal(give_back(&place), -EIO);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), -EIO); /* seen, but may be gone after a crash */
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EIO);
	storage.dir_sync_error = 0;
	storage.nr_dir_syncs = 0;
	assert_int_equal(give_back(&place), 0);
	assert_int_equal(storage.nr_dir_syncs, 1);
	assert_owner(&place, GW_SIDE_SOURCE);
	place_close(&place, 2);
}

/* Neither file was synced, the storage crashed, and only the later one was on its disk. */
static void crash_but_for_returned(struct place *place)
{
	place_lend(place);
	storage.dir_sync_error = EIO;
	assert_int_equal(give_back(place), -EIO);
	storage.dir_sync_error = 0;
	assert_int_equal(unlink(in(place, OWNER)), 0);
}

static void a_crash_that_leaves_returned_alone_leaves_the_source(void **state)
{
	struct place place;

	crash_but_for_returned(&place);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	assert_owner(&place, GW_SIDE_SOURCE);
	place_close(&place, 2);

	crash_but_for_returned(&place);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EBUSY); /* the link was its own, and it was made */
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_int_equal(give_back(&place), 0);
	place_close(&place, 2);
}

static void a_damaged_file_tells_nothing(void **state)
{
	static const char *const damaged[] = {
		"",
		"\n",
		"godwit settled 1\n",
		HEAD,
		HEAD "claim returned",
		HEAD "claim kept",
		HEAD "claim lent\n",
		"godwit settled 2\nid " HEX "\nclaim returned\n",
		"godwit settled 1\nid fedc0008000000000000000000000000\nclaim kept\n",
		"godwit owner 1\nid " HEX "\nside source\n",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(damaged); i++) {
		struct place place;

		place_lend(&place);
		write_in(&place, SETTLED, damaged[i]);
		assert_claim_fails(&place, -EBADMSG, "does not say whether the migration was given back");
		assert_int_equal(claim(&place, GW_SIDE_DESTINATION), -EBADMSG);
		assert_give_back_fails(&place, -EBADMSG, "does not say whether the migration was given back");
		place_close(&place, 2);
	}
}

static void what_is_no_file_tells_nothing(void **state)
{
	struct place place;

	place_lend(&place);
	assert_int_equal(mkfifo(in(&place, SETTLED), 0644), 0); /* and is not waited for */
	assert_claim_fails(&place, -EBADMSG, "does not say whether");
	assert_give_back_fails(&place, -EBADMSG, "does not say whether");
	assert_int_equal(unlink(in(&place, SETTLED)), 0);
	assert_int_equal(mkdir(in(&place, SETTLED), 0755), 0);
	assert_claim_fails(&place, -EISDIR, "cannot be read");
	assert_int_equal(rmdir(in(&place, SETTLED)), 0);
	write_in(&place, "elsewhere", HEAD "claim returned\n");
	assert_int_equal(symlink("elsewhere", in(&place, SETTLED)), 0);
	assert_claim_fails(&place, -ELOOP, "cannot be read");
	assert_give_back_fails(&place, -ELOOP, "cannot be read");
	place_close(&place, 3);
}

static void beside_an_owner_that_is_the_source_it_means_nothing(void **state)
{
	struct place place;

	place_open(&place);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	write_in(&place, SETTLED, "");
	assert_owner(&place, GW_SIDE_SOURCE);
	assert_int_equal(give_back(&place), -EINVAL);
	place_close(&place, 2);
}

static void with_a_damaged_owner_nothing_is_given_back(void **state)
{
	struct place place;

	place_open(&place);
	write_in(&place, OWNER, "godwit owner 1\n");
	assert_give_back_fails(&place, -EBADMSG, "does not say who owns");
	assert_false(is_there(&place, SETTLED));
	place_close(&place, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_source_owns_what_was_given_back),
		cmocka_unit_test(the_file_is_for_everyone_to_read),
		cmocka_unit_test(nobody_else_gives_back),
		cmocka_unit_test(a_refused_one_does_not_bind_a_later_claim),
		cmocka_unit_test(the_file_has_the_last_word),
		cmocka_unit_test(a_death_before_the_link_changes_nothing),
		cmocka_unit_test(a_death_after_the_link_is_read_again),
		cmocka_unit_test(nothing_is_known_before_the_directory_is_synced),
		cmocka_unit_test(a_crash_that_leaves_returned_alone_leaves_the_source),
		cmocka_unit_test(a_damaged_file_tells_nothing),
		cmocka_unit_test(what_is_no_file_tells_nothing),
		cmocka_unit_test(beside_an_owner_that_is_the_source_it_means_nothing),
		cmocka_unit_test(with_a_damaged_owner_nothing_is_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
