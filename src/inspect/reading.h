/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One file of an inspection while it is read: where it is read from, where what is found goes, and the one sentence
 * about what is wrong with it. A reader returns 0 at the proper end, -EBADMSG or -EPROTONOSUPPORT after it said so
 * with reading_damaged or reading_unknown (which are findings, not failures), or another -errno.
 */
#ifndef INSPECT_READING_H
#define INSPECT_READING_H

#include "inspect/arena.h"
#include "inspect/input.h"

#include <godwit/inspect.h>

struct inspector;

#define READING_DOING_BYTES 320

struct reading {
	struct inspector *inspector;
	struct arena *arena;
	struct input *in;
	struct gw_inspected_file *file;
	uint32_t file_number;
	char doing[READING_DOING_BYTES]; /* "section 3 \"ram\"": what a file that ends is cut short in */
};

/* What is being read, for the sentence about a file that ends there. */
__attribute__((format(printf, 2, 3))) void reading_begins(struct reading *r, const char *fmt, ...);

/* The first of these sentences is kept. at: the offset it is about. */
__attribute__((format(printf, 3, 4))) int reading_damaged(struct reading *r, uint64_t at, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) int reading_unknown(struct reading *r, uint64_t at, const char *fmt, ...);

/* 0 if all that was asked for has been there; else says that the file ends in what is being read, or cannot be read. */
int reading_check(struct reading *r);

int reading_no_room(struct reading *r, const char *what,
		    unsigned int bound); /* more of them than bound, or no memory */

#endif
