/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All rules on one device, one after the other, by one thread. Before each the device is in RUNNING. A device that does
 * not answer any more is opened once again; if it is gone for good, the rule at which it went fails and the rest
 * is skipped. The caller fills the first part of the struct, owns it, and hears of each rule as it begins and ends.
 */
#ifndef TOOL_CHECK_RUN_H
#define TOOL_CHECK_RUN_H

#include "check.h"
#include "opener.h"

struct outcome {
	const struct rule *rule;
	enum verdict verdict;
	unsigned nr_runs, nr_failed; /* of --repeat; the texts are those of the first that failed, else of the last */
	uint64_t took_ns;            /* all of them */
	char did[TRIAL_TEXT_BYTES], came[TRIAL_TEXT_BYTES], due[TRIAL_TEXT_BYTES];
};

struct run {
	struct opener opener;
	struct opener peer_opener; /* open NULL: the device is its own peer */
	const char *const *only;   /* rule_is_wanted */
	unsigned nr_only;
	unsigned repeat; /* at least 1 */
	bool dangerous;
	int stop_fd; /* readable: no further rule is begun; -1: never */
	void (*began)(struct run *run, const struct rule *rule);
	void (*ended)(struct run *run, const struct outcome *outcome);
	void *ctx;

	struct gw_device *dev, *peer;
	struct gw_device_info info;
	struct rule_list rules;
	bool stopped;
	const char *lost; /* why no further rule is tried */
};

/* Opens the device and its peer, and lists the rules: none for one that cannot migrate. run_close is due in any case.
 */
int run_open(struct run *run, struct gw_error *e);
void run_rules(struct run *run);
/* The device is in RUNNING then, if there is a way. */
void run_close(struct run *run);

#endif
