/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The small files of an arbiter's directory. Each is there whole or not at all, is never changed once it is there, and
 * begins with one of a few heads, which is all that is read of it again; what follows the head is for people.
 *
 * A struct dir_call is one call of the arbiter under way, in one thread: begun, used, ended, also if begin failed. Its
 * functions return 0 or more, or -errno with a sentence in its record; never -EBUSY or -EINVAL, for those two are
 * answers of an arbiter, and a file system's must not pass for one.
 */
#ifndef ARBITER_DIR_H
#define ARBITER_DIR_H

#include <godwit/error.h>

#define DIR_NAME_BYTES 80
#define DIR_HEAD_BYTES 96
#define DIR_NR_HEADS   2

struct dir_call {
	const char *path; /* the caller's, absolute */
	int fd;
	struct gw_error e;              /* its own: a step that failed may turn out not to matter */
	char temporary[DIR_NAME_BYTES]; /* a name that nobody else has */
};

struct dir_file {
	char name[DIR_NAME_BYTES];
	const char *tells;                        /* what a damaged one fails to say */
	char heads[DIR_NR_HEADS][DIR_HEAD_BYTES]; /* numbered from 1; an empty one is none */
};

/*
 * Opens the directory, anew for each call: an NFS server may forget one that is kept open. And opening is what makes an
 * NFS client ask whether the directory has changed: until then a name that it once missed stays missing.
 */
int dir_begin(struct dir_call *c, const char *path);
int dir_end(struct dir_call *c, int ret, struct gw_error *e); /* returns ret; *e is set if that is an error */

/* The number of the head that the file has; 0: there is no such file; -errno: not known, -EBADMSG if it is damaged. */
int dir_look(struct dir_call *c, const struct dir_file *file);

/* Makes the file, with that head, unless it is there. Returns the number of the head that it has now, or -errno. */
int dir_take(struct dir_call *c, const struct dir_file *file, int head);

/* 0: whatever was seen or made in the directory survives a crash of the storage. */
int dir_sync(struct dir_call *c);

/* Whether it worked is not asked: for what means nothing if it stays. */
void dir_remove(struct dir_call *c, const char *name);

#endif
