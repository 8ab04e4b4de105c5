/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit estimate" from devices to document: a VM's devices measured all at once, as a migration moves them, and what
 * the library makes of it for a link and a guest. Main thread.
 */
#ifndef TOOL_BENCH_OUTLOOK_H
#define TOOL_BENCH_OUTLOOK_H

#include "tool/device_access.h"
#include "tool/options.h"

#include <jansson.h>

struct outlook_options {
	const char *const *devices; /* URIs */
	unsigned nr_devices;
	struct text_list peers; /* none, or one for each device */
	uint64_t bytes_per_s, round_trip_ns;
	uint64_t memory_bytes, dirty_bytes_per_s; /* memory 0: RAM is left out */
	uint64_t limit_ns;                        /* 0: none was given */
	uint64_t rounds, max_state_bytes;
};

/* As bench_run. *within: 0 if a limit was given and the downtime is over it. */
int outlook_run(json_t **document, int *within, const struct outlook_options *options, struct device_access *access,
		int stop_fd, struct gw_error *e);

#endif
