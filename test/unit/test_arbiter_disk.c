/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arbiter in a directory that is missing, full, read-only or forbidden: a sentence that says so, no temporary left,
 * and an id that is owned already is answered all the same wherever it can be read.
 */
#include <godwit/arbiter.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "arbiter_place.h"

#define NOBODY 65534

#define NR_OWN 6 /* files that place_own makes and that stay */

static const uint8_t owned[GW_ARBITER_ID_BYTES] = { 9 }; /* by the source, */
static const uint8_t lent[GW_ARBITER_ID_BYTES] = { 8 };  /* the destination, */
static const uint8_t returned[GW_ARBITER_ID_BYTES] = { 7 };
static const uint8_t kept[GW_ARBITER_ID_BYTES] = { 6 };

/*
 * Nothing new can be claimed, given back or announced, and no source told of the destination; what is there is still
 * answered; nr_left files are left, and no temporary is among them.
 */
static void assert_only_reads(const struct place *place, int code, const char *words, unsigned nr_left)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_claim_fails(place, code, words);
	assert_int_equal(gw_arbiter_check(place->arbiter, &e), code);
	assert_says(place, &e, code, words);
	assert_int_equal(gw_arbiter_claim(place->arbiter, owned, GW_SIDE_SOURCE, NULL), 0);
	assert_int_equal(gw_arbiter_claim(place->arbiter, owned, GW_SIDE_DESTINATION, NULL), -EBUSY);
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(gw_arbiter_give_back(place->arbiter, lent, &e), code);
	assert_says(place, &e, code, words);
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(gw_arbiter_claim(place->arbiter, lent, GW_SIDE_SOURCE, &e), code);
	assert_says(place, &e, code, words);
	assert_int_equal(gw_arbiter_claim(place->arbiter, lent, GW_SIDE_DESTINATION, NULL), 0);
	assert_int_equal(gw_arbiter_give_back(place->arbiter, owned, NULL), -EINVAL);
	assert_int_equal(gw_arbiter_give_back(place->arbiter, returned, NULL), 0);
	assert_int_equal(gw_arbiter_claim(place->arbiter, returned, GW_SIDE_SOURCE, NULL), 0);
	assert_int_equal(gw_arbiter_claim(place->arbiter, returned, GW_SIDE_DESTINATION, NULL), -EBUSY);
	assert_int_equal(gw_arbiter_claim(place->arbiter, kept, GW_SIDE_SOURCE, NULL), -EBUSY);
	assert_int_equal(gw_arbiter_claim(place->arbiter, kept, GW_SIDE_DESTINATION, NULL), 0);
	assert_int_equal(gw_arbiter_give_back(place->arbiter, kept, NULL), -EBUSY);
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(gw_arbiter_announce(place->arbiter, owned, &e), code);
	assert_says(place, &e, code, words);
	assert_int_equal(gw_arbiter_announce(place->arbiter, lent, NULL), 0); /* it was, before */
	assert_int_equal(gw_arbiter_meet(place->arbiter, lent, NULL), 0);
	assert_int_equal(nr_files(place), nr_left);
}

static void place_own(const struct place *place)
{
	assert_int_equal(gw_arbiter_claim(place->arbiter, owned, GW_SIDE_SOURCE, NULL), 0);
	assert_int_equal(gw_arbiter_claim(place->arbiter, lent, GW_SIDE_DESTINATION, NULL), 0);
	assert_int_equal(gw_arbiter_claim(place->arbiter, returned, GW_SIDE_DESTINATION, NULL), 0);
	assert_int_equal(gw_arbiter_give_back(place->arbiter, returned, NULL), 0);
	assert_int_equal(gw_arbiter_claim(place->arbiter, kept, GW_SIDE_DESTINATION, NULL), 0);
	assert_int_equal(gw_arbiter_claim(place->arbiter, kept, GW_SIDE_SOURCE, NULL), -EBUSY);
	assert_int_equal(gw_arbiter_announce(place->arbiter, lent, NULL), 0);
}

static void a_missing_directory_is_said(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct place place;

	place_open(&place);
	assert_int_equal(rmdir(place.dir), 0);
	assert_claim_fails(&place, -ENOENT, "is not there");
	assert_int_equal(gw_arbiter_check(place.arbiter, &e), -ENOENT);
	assert_says(&place, &e, -ENOENT, "is not there");

	assert_int_equal(mkdir(place.dir, 0700), 0); /* it may come while the arbiter is open */
	assert_int_equal(gw_arbiter_check(place.arbiter, NULL), 0);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	place_close(&place, 1);
}

static void a_file_is_no_directory(void **state)
{
	struct place place, file;

	place_open(&place);
	file = place;
	file.arbiter = open_dir(in(&place, "file"));
	fclose(fopen(in(&place, "file"), "w"));
	assert_claim_fails(&file, -ENOTDIR, "is not a directory");
	assert_int_equal(gw_arbiter_check(file.arbiter, NULL), -ENOTDIR);
	gw_arbiter_close(file.arbiter);
	place_close(&place, 1);
}

static void a_file_that_may_not_grow_is_said(void **state)
{
	struct rlimit limit, none;
	struct place place;

	place_open(&place);
	place_own(&place);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	none = (struct rlimit){ .rlim_cur = 16, .rlim_max = limit.rlim_max }; /* so a part of it is written */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_only_reads(&place, -EFBIG, "may not write", NR_OWN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(claim(&place, GW_SIDE_SOURCE), 0);
	assert_int_equal(gw_arbiter_give_back(place.arbiter, lent, NULL), 0);
	place_close(&place, NR_OWN + 2);
}

/* A small disk, in a mount namespace of its own that ends with this process. False: this machine does not allow it. */
static bool mount_disk(const struct place *place)
{
	static bool apart;

	if (!apart && (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)))
		return false;
	apart = true;
	return !mount("tmpfs", place->dir, "tmpfs", 0, "size=256k");
}

static void skip_without_disk(struct place *place)
{
	place_close(place, 0);
	print_message("a tmpfs cannot be mounted here\n");
	skip();
}

static void fill(const struct place *place)
{
	static const char bytes[4096];
	int fd = open(in(place, "filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static void a_full_disk_is_said(void **state)
{
	struct place place;

	place_open(&place);
	if (!mount_disk(&place))
		skip_without_disk(&place);
	place_own(&place);
	fill(&place);
	assert_only_reads(&place, -ENOSPC, "is full", NR_OWN + 1);
	assert_int_equal(unlink(in(&place, "filler")), 0);
	assert_int_equal(gw_arbiter_claim(place.arbiter, lent, GW_SIDE_SOURCE, NULL), -EBUSY);
	assert_int_equal(claim(&place, GW_SIDE_DESTINATION), 0);
	assert_int_equal(give_back(&place), 0);
	assert_int_equal(nr_files(&place), NR_OWN + 3);
	assert_int_equal(umount(place.dir), 0);
	place_close(&place, 0);
}

static void a_read_only_disk_is_said(void **state)
{
	struct place place;

	place_open(&place);
	if (!mount_disk(&place))
		skip_without_disk(&place);
	place_own(&place);
	assert_int_equal(mount(NULL, place.dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
	assert_only_reads(&place, -EROFS, "is read-only", NR_OWN + 1); /* the announcement that was met */
	assert_int_equal(umount(place.dir), 0);
	place_close(&place, 0);
}

static void a_directory_without_permission_is_said(void **state)
{
	struct place place;
	uid_t me = geteuid();

	place_open(&place);
	place_own(&place);
	assert_int_equal(chmod(place.dir, 0555), 0);
	if (!me)
		assert_int_equal(seteuid(NOBODY), 0); /* root may do everything */
	assert_only_reads(&place, -EACCES, "no permission", NR_OWN + 1);
	assert_int_equal(seteuid(me), 0);
	assert_int_equal(chmod(place.dir, 0700), 0);
	place_close(&place, NR_OWN + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_directory_is_said),
		cmocka_unit_test(a_file_is_no_directory),
		cmocka_unit_test(a_file_that_may_not_grow_is_said),
		cmocka_unit_test(a_full_disk_is_said),
		cmocka_unit_test(a_read_only_disk_is_said),
		cmocka_unit_test(a_directory_without_permission_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
