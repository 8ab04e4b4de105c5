/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The processes of the demo: this very program as "godwit device" and "godwit vm", each with its stderr in a file of a
 * directory of its own. They end with their parent, whatever ends it. One thread; the caller owns the struct.
 */
#ifndef TOOL_DEMO_PROCESSES_H
#define TOOL_DEMO_PROCESSES_H

#include <godwit/error.h>
#include <godwit/vm.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#define DEMO_MAX_PROCESSES (2 * GW_MAX_DEVICES + 2)
#define DEMO_NAME_BYTES    32
#define DEMO_PATH_BYTES    96 /* fits sun_path */

struct demo_process {
	char name[DEMO_NAME_BYTES];
	pid_t pid; /* 0: has ended */
};

struct demo_processes {
	char dir[DEMO_PATH_BYTES - DEMO_NAME_BYTES - 8]; /* "": not made yet */
	struct demo_process items[DEMO_MAX_PROCESSES];
	unsigned int nr;
};

/* The directory for sockets and output: under $TMPDIR or /tmp. */
int demo_processes_begin(struct demo_processes *processes, struct gw_error *e);

/* "DIR/NAME.SUFFIX" */
void demo_processes_path(const struct demo_processes *processes, const char *name, const char *suffix,
			 char path[DEMO_PATH_BYTES]);

/* Starts "godwit argv[1]...", argv ended by NULL. */
int demo_processes_start(struct demo_processes *processes, const char *name, const char *const *argv,
			 struct gw_error *e);

/* 0, or -ECHILD and a sentence if one of them has ended: none should before the end. */
int demo_processes_check(struct demo_processes *processes, struct gw_error *e);

/* Asks all that still run to end, then makes them. */
void demo_processes_stop(struct demo_processes *processes);

/* What they wrote to stderr, each line after the process's name. */
void demo_processes_show_output(const struct demo_processes *processes, FILE *out);

/* Removes the directory. All have to be stopped. */
void demo_processes_end(struct demo_processes *processes);

#endif
