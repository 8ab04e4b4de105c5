/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A subcommand of the tool: one row in main.c's table, one cmd_*.c file. main parses the command line with the
 * row's options, so a command gets its arguments checked and its --help for nothing.
 */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

#include "options.h"

#include <stddef.h>

/* The exit codes, the same for every command; --help and man/godwit.1.scd list them. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_WRONG_USAGE = 2,
	EXIT_ROLLED_BACK = 3,
	EXIT_UNKNOWN_OWNER = 4,
	EXIT_ANSWER_IS_NO = 5, /* the command did its work, and what it was asked is not so */
};

struct command {
	const char *name;
	const char *summary;          /* a few words, for the list of commands */
	const char *synopsis;         /* what follows "godwit NAME", a line each */
	const char *description;      /* for --help, ends with a newline */
	const char *example;          /* for --help, ends with a newline */
	const struct option *options; /* ended by a row without a name */
	const char *word;             /* what has to follow the options, NULL: nothing */
	unsigned int max_words;
	size_t args_bytes; /* of the struct that options fill */

	/* Returns an exit_code; whatever failed has been said. */
	int (*run)(const void *args, const struct words *words);
};

extern const struct command cmd_bench, cmd_check, cmd_compare, cmd_demo, cmd_device, cmd_estimate, cmd_inspect,
	cmd_load, cmd_migrate, cmd_probe, cmd_report, cmd_save, cmd_trace, cmd_vm;

#endif
