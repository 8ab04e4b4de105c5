/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit bench" from devices to document: a device alone, another that takes its state, others beside it, in turn,
 * round by round. Owned by the command; main thread.
 */
#ifndef TOOL_BENCH_BENCH_H
#define TOOL_BENCH_BENCH_H

#include "course.h"
#include "tool/device_access.h"

#include <jansson.h>

struct bench_options {
	const char *device, *peer; /* URIs; peer NULL: the device loads its own state only */
	struct text_list also;
	uint64_t rounds; /* 0: as many as fit into some seconds */
	uint64_t max_state_bytes;
};

/*
 * Measures, and makes the document of doc/json.md. However it ends, every device is back in RUNNING if that can be
 * done, and closed. stop_fd readable: -ECANCELED. Shows progress on stderr if that is a terminal.
 */
int bench_run(json_t **document, const struct bench_options *options, struct device_access *access, int stop_fd,
	      struct gw_error *e);

#endif
