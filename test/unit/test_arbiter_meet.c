/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arbiter in a directory: the source announces itself, the destination meets it there, or finds out that it looks
 * at another place.
 */
#include "base/bits.h"
#include "base/clock.h"

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

#define HEAD   "godwit announced 1\nid " HEX "\n"
#define NOBODY 65534

static int announce(const struct place *place)
{
	return gw_arbiter_announce(place->arbiter, id, NULL);
}

static int meet(const struct place *place)
{
	return gw_arbiter_meet(place->arbiter, id, NULL);
}

static void forget_sleeps(void)
{
	storage.slept_ns = storage.longest_sleep_ns = 0;
	storage.nr_sleeps = 0;
}

static void assert_meet_fails(const struct place *place, int code, const char *words)
{
	struct gw_error e = GW_ERROR_NONE;

	forget_sleeps();
	assert_int_equal(gw_arbiter_meet(place->arbiter, id, &e), code);
	assert_says(place, &e, code, words);
}

static void they_meet_once_and_leave_nothing(void **state)
{
	struct place place;

	place_open(&place);
	forget_sleeps();
	assert_int_equal(announce(&place), 0);
	assert_int_equal(announce(&place), 0);
	assert_int_equal(nr_files(&place), 1);
	assert_int_equal(meet(&place), 0);
	assert_int_equal(storage.nr_sleeps, 0);
	assert_int_equal(nr_files(&place), 0);
	assert_meet_fails(&place, -ENOENT, "do not see the same directory");
	assert_int_equal(announce(&place), 0);
	assert_int_equal(meet(&place), 0);
	place_close(&place, 0);
}

static void the_file_is_for_everyone_to_read(void **state)
{
	mode_t mask = umask(077);
	struct place place;

	place_open(&place);
	assert_int_equal(announce(&place), 0);
	umask(mask);
	assert_file(&place, ANNOUNCED, HEAD);
	place_close(&place, 1);
}

static void an_announcement_claims_nothing(void **state)
{
	struct place place;

	place_open(&place);
	assert_int_equal(announce(&place), 0);
	assert_int_equal(give_back(&place), -EINVAL);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_owner(&place, GW_SIDE_DESTINATION);
	assert_int_equal(meet(&place), 0); /* an owner does not hide it */
	assert_owner(&place, GW_SIDE_DESTINATION);
	place_close(&place, 2);
}

static void two_directories_are_told_apart(void **state)
{
	static const uint8_t other[GW_ARBITER_ID_BYTES] = { 0xfe, 0xdc, 0, 8 };
	struct place source, destination;

	place_open(&source);
	place_open(&destination);
	assert_int_equal(announce(&source), 0);
	assert_int_equal(gw_arbiter_announce(destination.arbiter, other, NULL), 0);
	assert_meet_fails(&destination, -ENOENT, "do not see the same directory: the source's " ANNOUNCED);
	assert_true(storage.slept_ns >= 3 * NS_PER_S && storage.slept_ns < 3 * NS_PER_S + 50 * NS_PER_MS);
	assert_true(storage.longest_sleep_ns <= 50 * NS_PER_MS);
	assert_int_equal(meet(&source), 0);
	place_close(&source, 0);
	place_close(&destination, 1);
}

/* The source's host, whose file this host sees only after a while. */
struct late {
	const struct place *place;
	unsigned nr_sleeps; /* until then */
};

static void announce_late(void *ctx)
{
	const struct late *late = ctx;

	if (storage.nr_sleeps == late->nr_sleeps)
		assert_int_equal(announce(late->place), 0);
}

static void meet_late(const struct place *place, unsigned nr_sleeps)
{
	struct late late = { .place = place, .nr_sleeps = nr_sleeps };

	forget_sleeps();
	storage.on_sleep = announce_late;
	storage.ctx = &late;
	assert_int_equal(meet(place), 0);
	storage.on_sleep = NULL;
	assert_int_equal(storage.nr_sleeps, nr_sleeps); /* it is not waited for longer than needed */
	assert_int_equal(nr_files(place), 0);
}

static void a_late_one_is_met(void **state)
{
	struct place place;
	unsigned most;

	place_open(&place);
	assert_meet_fails(&place, -ENOENT, "not here");
	most = storage.nr_sleeps;
	assert_true(most >= 60);
	meet_late(&place, 1);
	meet_late(&place, most / 2);
	meet_late(&place, most); /* the last look comes after the last wait */
	place_close(&place, 0);
}

static void a_cached_absence_is_looked_through(void **state)
{
	struct place place;

	place_open(&place);
	storage.remembers_missing = true;
	meet_late(&place, 5);
	storage.remembers_missing = false;
	place_close(&place, 0);
}

static void a_missing_directory_is_not_waited_for(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct place place;

	place_open(&place);
	assert_int_equal(rmdir(place.dir), 0);
	assert_meet_fails(&place, -ENOENT, "is not there; create it, or mount");
	assert_int_equal(storage.nr_sleeps, 0);
	assert_int_equal(gw_arbiter_announce(place.arbiter, id, &e), -ENOENT);
	assert_says(&place, &e, -ENOENT, "is not there");
	assert_int_equal(mkdir(place.dir, 0700), 0);
	assert_int_equal(announce(&place), 0);
	assert_int_equal(meet(&place), 0);
	place_close(&place, 0);
}

static const struct reply {
	bool skipped;
	int error, got;
} replies[] = {
	{ false, ETIMEDOUT, 0 },         { false, EEXIST, 0 },  { false, EIO, 0 },
	{ true, ETIMEDOUT, -ETIMEDOUT }, { true, EBUSY, -EIO },
};

static void the_file_has_the_last_word(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(replies); i++) {
		const struct reply *r = &replies[i];
		struct gw_error e = GW_ERROR_NONE;
		struct place place;

		place_open(&place);
		storage.link_skipped = r->skipped;
		storage.link_error = r->error;
		assert_int_equal(gw_arbiter_announce(place.arbiter, id, &e), r->got);
		assert_int_equal(e.code, r->got);
		storage.link_skipped = false;
		storage.link_error = 0;
		assert_int_equal(nr_files(&place), !r->got);
		assert_int_equal(announce(&place), 0);
		assert_int_equal(meet(&place), 0);
		place_close(&place, 0);
	}
}

static void a_source_that_died_after_it_was_announced(void **state)
{
	struct place place;
	int status;
	pid_t child;

	place_open(&place);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		storage.link_dies = true;
		announce(&place);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), STORAGE_DIED);
	assert_int_equal(meet(&place), 0);
	place_close(&place, 1); /* the dead one's temporary */
}

static void a_damaged_announcement_is_no_meeting(void **state)
{
	static const char *const damaged[] = {
		"",
		"godwit announced 1\n",
		"godwit announced 1\nid " HEX,
		"godwit announced 2\nid " HEX "\n",
		"godwit announced 1\nid fedc0008000000000000000000000000\n",
		"godwit settled 1\nid " HEX "\n",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(damaged); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct place place;

		place_open(&place);
		write_in(&place, ANNOUNCED, damaged[i]);
		assert_meet_fails(&place, -EBADMSG, "does not say that the source was here");
		assert_int_equal(storage.nr_sleeps, 0);
		assert_int_equal(gw_arbiter_announce(place.arbiter, id, &e), -EBADMSG);
		assert_says(&place, &e, -EBADMSG, "does not say that the source was here");
		place_close(&place, 1);
	}
}

static void what_is_no_file_is_no_meeting(void **state)
{
	struct place place;

	place_open(&place);
	assert_int_equal(mkfifo(in(&place, ANNOUNCED), 0644), 0);
	assert_meet_fails(&place, -EBADMSG, "does not say that");
	assert_int_equal(unlink(in(&place, ANNOUNCED)), 0);
	assert_int_equal(mkdir(in(&place, ANNOUNCED), 0755), 0);
	assert_meet_fails(&place, -EISDIR, "cannot be read");
	assert_int_equal(rmdir(in(&place, ANNOUNCED)), 0);
	write_in(&place, "elsewhere", HEAD);
	assert_int_equal(symlink("elsewhere", in(&place, ANNOUNCED)), 0);
	assert_meet_fails(&place, -ELOOP, "cannot be read");
	place_close(&place, 2);
}

static void one_that_may_not_be_removed_is_met(void **state)
{
	struct place place;
	uid_t me = geteuid();

	place_open(&place);
	assert_int_equal(announce(&place), 0);
	assert_int_equal(chmod(place.dir, 0555), 0);
	if (!me)
		assert_int_equal(seteuid(NOBODY), 0); /* root may do everything */
	assert_int_equal(meet(&place), 0);
	assert_int_equal(seteuid(me), 0);
	assert_int_equal(chmod(place.dir, 0700), 0);
	place_close(&place, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_meet_once_and_leave_nothing),
		cmocka_unit_test(the_file_is_for_everyone_to_read),
		cmocka_unit_test(an_announcement_claims_nothing),
		cmocka_unit_test(two_directories_are_told_apart),
		cmocka_unit_test(a_late_one_is_met),
		cmocka_unit_test(a_cached_absence_is_looked_through),
		cmocka_unit_test(a_missing_directory_is_not_waited_for),
		cmocka_unit_test(the_file_has_the_last_word),
		cmocka_unit_test(a_source_that_died_after_it_was_announced),
		cmocka_unit_test(a_damaged_announcement_is_no_meeting),
		cmocka_unit_test(what_is_no_file_is_no_meeting),
		cmocka_unit_test(one_that_may_not_be_removed_is_met),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
