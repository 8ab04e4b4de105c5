/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The main thread while jobs run: passes on what they find, shows which rule is under way, says so when one takes long,
 * and hears the signals: the first asks the jobs to stop after their rule, the second ends the program at once.
 */
#ifndef TOOL_CHECK_WATCH_H
#define TOOL_CHECK_WATCH_H

#include "job.h"

#include <stdio.h>

struct watch {
	struct job *jobs;
	unsigned nr_jobs;
	int signals_fd; /* of stop_signals_open */
	int stop_fd;    /* an eventfd that the jobs look at */
	int wake_fd;    /* one that they write to */
	uint64_t slow_ns;
	FILE *tap; /* NULL: none is wanted */
	bool shows_progress;
};

/* Until all jobs have ended. */
void watch_jobs(struct watch *watch);

#endif
