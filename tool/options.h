/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Long options from a table. A row says what an option is called, what kind of value it takes and where in the
 * command's struct that goes; parsing, defaults, limits and --help all come from the same row, so that they
 * cannot say different things. At most 64 rows. No state, no I/O but in options_help.
 */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <godwit/error.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define WORDS_MAX     16
#define TEXT_LIST_MAX 64

/* What is not an option, in order. Points into argv. */
struct words {
	const char *items[WORDS_MAX];
	unsigned int nr;
};

/* The values of an option that may be given several times. Points into argv. */
struct text_list {
	const char *items[TEXT_LIST_MAX];
	unsigned int nr;
};

/* The kind of value, and the type that the row's offset must have. */
enum option_kind {
	OPTION_FLAG,     /* uint32_t: 1 if given */
	OPTION_COUNT,    /* uint64_t */
	OPTION_SIZE,     /* uint64_t, bytes */
	OPTION_RATE,     /* uint64_t, bytes a second */
	OPTION_DURATION, /* uint64_t, nanoseconds */
	OPTION_TEXT,     /* const char * */
	OPTION_LIST,     /* struct text_list */
	OPTION_CHOICE,   /* uint32_t, index into choices */
	OPTION_NR_KINDS,
};

struct option {
	const char *name; /* without the dashes; NULL ends the table */
	enum option_kind kind;
	uint32_t required; /* 1: an error if not given */
	size_t offset;
	const char *value;          /* "SIZE": how help calls the value; NULL for a flag */
	const char *standard;       /* the default as a user would write it; NULL: zero */
	uint64_t min, max;          /* of a number, both inclusive; max 0: no limit */
	const char *const *choices; /* ended by NULL */
	const char *help;
};

enum options_result { OPTIONS_DONE = 0, OPTIONS_HELP = 1 };

/*
 * Fills args (all zero when it comes) and words. "--name value" and "--name=value" are the same; options and words
 * may be mixed; "--" ends the options. Returns an options_result, or -EINVAL with a sentence in *e.
 */
int options_parse(const struct option *options, int argc, char **argv, void *args, struct words *words,
		  struct gw_error *e);

/* A line an option, with its default. */
void options_help(const struct option *options, FILE *out);

#endif
