/* SPDX-License-Identifier: BSD-3-Clause */
/* A directory with an arbiter in it, and one id to be claimed. Included after cmocka.h and what that needs. */
#ifndef TEST_ARBITER_PLACE_H
#define TEST_ARBITER_PLACE_H

#include <godwit/arbiter.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t id[GW_ARBITER_ID_BYTES] = { 0xfe, 0xdc, 0, 7 };
#define HEX       "fedc0007000000000000000000000000"
#define OWNER     HEX ".owner"
#define SETTLED   HEX ".settled"
#define ANNOUNCED HEX ".announced"

struct place {
	char dir[32];
	struct gw_arbiter *arbiter;
};

static inline struct gw_arbiter *open_dir(const char *dir)
{
	struct gw_arbiter *arbiter;
	char uri[PATH_MAX];

	snprintf(uri, sizeof(uri), "file:%s", dir);
	assert_int_equal(gw_arbiter_open(&arbiter, uri, NULL), 0);
	return arbiter;
}

static inline void place_open(struct place *place)
{
	snprintf(place->dir, sizeof(place->dir), "/tmp/gw-test-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	place->arbiter = open_dir(place->dir);
}

static inline const char *in(const struct place *place, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", place->dir, name);
	return path;
}

static inline unsigned nr_files(const struct place *place)
{
	DIR *dir = opendir(place->dir);
	struct dirent *entry;
	unsigned nr = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		nr += entry->d_name[0] != '.';
	closedir(dir);
	return nr;
}

static inline bool is_there(const struct place *place, const char *name)
{
	return !access(in(place, name), F_OK);
}

static inline void write_in(const struct place *place, const char *name, const char *text)
{
	FILE *file = fopen(in(place, name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* What a file says begins with head, and is followed by who made it; everyone may read it. */
static inline void assert_file(const struct place *place, const char *name, const char *head)
{
	FILE *file = fopen(in(place, name), "r");
	char text[256] = { 0 };
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_nlink, 1);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_memory_equal(text, head, strlen(head));
	assert_ptr_equal(strstr(text, "\nhost "), text + strlen(head) - 1);
	assert_non_null(strstr(text, "\npid "));
}

/* nr_left: owner files and what the test made; no temporary is among them. */
static inline void place_close(struct place *place, unsigned nr_left)
{
	char command[64];

	gw_arbiter_close(place->arbiter);
	assert_int_equal(nr_files(place), nr_left);
	snprintf(command, sizeof(command), "rm -rf '%s'", place->dir);
	assert_int_equal(system(command), 0);
}

static inline int claim(const struct place *place, enum gw_side side)
{
	return gw_arbiter_claim(place->arbiter, id, side, NULL);
}

static inline int give_back(const struct place *place)
{
	return gw_arbiter_give_back(place->arbiter, id, NULL);
}

/* Whoever asks, and in whatever order: the owner is the side that was said, and nobody else. Settles it, by asking. */
static inline void assert_owner(const struct place *place, enum gw_side side)
{
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(claim(place, GW_SIDE_SOURCE), side == GW_SIDE_SOURCE ? 0 : -EBUSY);
		assert_int_equal(claim(place, GW_SIDE_DESTINATION), side == GW_SIDE_DESTINATION ? 0 : -EBUSY);
	}
}

/* The sentence holds these words and the directory. */
static inline void assert_says(const struct place *place, const struct gw_error *e, int code, const char *words)
{
	assert_int_equal(e->code, code);
	if (!strstr(e->what, words) || !strstr(e->what, place->dir))
		fail_msg("\"%s\" does not say \"%s\" and where", e->what, words);
}

static inline void assert_claim_fails(const struct place *place, int code, const char *words)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_arbiter_claim(place->arbiter, id, GW_SIDE_SOURCE, &e), code);
	assert_says(place, &e, code, words);
}

#endif
