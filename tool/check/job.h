/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One device under test: its thread and what it has found so far. The thread runs the rules and appends outcomes; the
 * command's main thread, which owns the struct, takes them from there, in their order, as they come.
 */
#ifndef TOOL_CHECK_JOB_H
#define TOOL_CHECK_JOB_H

#include "known.h"
#include "run.h"
#include "tool/device_access.h"

#include <jansson.h>
#include <pthread.h>

/* A rule's verdict, with what is known of it. */
enum judged { JUDGED_PASSED, JUDGED_FAILED, JUDGED_KNOWN, JUDGED_PASSES_NOW, JUDGED_SKIPPED, JUDGED_NR };

struct job_side {
	struct device_access *access;
	char id[GW_DEVICE_ID_BYTES];
	const char *uri;
	uint32_t flags; /* GW_OPEN_* asked for by the user */
};

struct job {
	struct run run;
	struct job_side device, peer;
	const struct known *known;
	json_t *about; /* the device, as godwit probe --json has it */
	int wake_fd;   /* an eventfd: something is new */
	pthread_t thread;
	bool started;
	const struct rule *slow; /* the main thread's: the rule that was said to take long */
	uint64_t next_slow_ns;   /* and when that is due again */

	pthread_mutex_t lock;
	struct outcome *outcomes;
	unsigned nr_outcomes;
	const struct rule *under_way; /* NULL: between two */
	uint64_t since_ns;
	bool ended;
};

/* Opens the device and its peer. job_close is due in any case. */
int job_open(struct job *job, struct gw_error *e);
int job_start(struct job *job, struct gw_error *e);
void job_join(struct job *job);
void job_close(struct job *job);

/* How many outcomes there are; they stay where they are. *ended: there will be no more. */
unsigned job_outcomes(struct job *job, bool *ended);
/* The rule that has been under way for so long, and for how long; NULL: none. */
const struct rule *job_slow(struct job *job, uint64_t limit_ns, uint64_t *took_ns);

enum judged job_judged(const struct job *job, const struct outcome *outcome);
struct job_count {
	unsigned nr[JUDGED_NR];
	uint64_t took_ns;
};
struct job_count job_count(struct job *job);

#endif
