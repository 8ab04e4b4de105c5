/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The grammar of faults as data: which points there are and what their arguments are, which actions, what value each
 * takes, and at which points it means something. A new fault is a row here and a line where it strikes.
 */
#ifndef REF_DEVICE_FAULT_TABLE_H
#define REF_DEVICE_FAULT_TABLE_H

#include "ref/device/fault.h"

/* A name for a value, or for several of them. A list is ended by a row without a name. */
struct word {
	const char *name;
	uint64_t values; /* of a word: bit n means n; of a name: the number itself */
};

/* An argument is one of some words, or a number that may have a name. */
struct arg_kind {
	const char *what;
	const struct word *words;
	const struct word *names;
};

struct point {
	const char *name;
	const struct arg_kind *args[FAULT_NR_ARGS];
};

enum value_kind { VALUE_NONE, VALUE_NUMBER, VALUE_STATE, VALUE_TIME };

struct action {
	const char *name; /* NULL: its name is an errno's */
	enum value_kind value;
	int error;          /* what it fails with, unless errno= says something else */
	bool is_spot;       /* strikes at one byte, and not from there on */
	uint64_t points;    /* bit n: at point n */
	uint64_t log_calls; /* at FAULT_LOG: bit n: in call n; 0: none of this matters */
};

extern const struct point fault_points[FAULT_NR_POINTS];
extern const struct action fault_actions[FAULT_NR_ACTIONS]; /* FAULT_NONE's row is empty */
extern const struct word fault_state_names[];

#endif
