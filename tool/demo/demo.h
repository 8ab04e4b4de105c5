/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A demo as it stands: its options, its processes, and what has been measured. cmd_demo.c tells the story; demo_stage.c
 * sets the stage (devices and VMs up, guest at work), demo_wait.c waits for what the story needs.
 */
#ifndef TOOL_DEMO_H
#define TOOL_DEMO_H

#include "demo_processes.h"
#include "tool/device_access.h"
#include "tool/migration.h"

#include <jansson.h>
#include <stdint.h>

enum demo_transport { DEMO_TCP, DEMO_UNIX };

struct demo_args {
	uint64_t memory_bytes, vcpus, devices, state_bytes, dirty_rate, latency_ns, seed;
	struct migration_limits limits;
	struct device_access access; /* of the source's devices, by the source's process */
	uint32_t transport, fill, cpu, p2p, unverified, json;
};

enum demo_side { DEMO_SOURCE, DEMO_DESTINATION, DEMO_NR_SIDES };

struct demo {
	const struct demo_args *args;
	struct demo_processes processes;
	int stop_fd;
	FILE *out; /* for people; NULL with --json */
	char control[DEMO_NR_SIDES][DEMO_PATH_BYTES];
	json_t *status; /* of the VM asked last */
	json_t *before; /* the source's guest, before the migration */
	uint64_t pages_seen, operations_seen;
	uint64_t warm_ns; /* a slow guest, too, has worked enough by then */
};

/* All return 0, or -errno with *e set; -EINTR if a signal asked to stop. */

/* Starts devices and VMs, and waits until both VMs answer. */
int demo_stage_set(struct demo *demo, struct gw_error *e);
/* Lets the source's guest work for a moment. */
int demo_stage_warm_up(struct demo *demo, struct gw_error *e);
/* Waits until the guest works at the destination; demo->status is of then. */
int demo_stage_arrived(struct demo *demo, struct gw_error *e);

/* Asks a VM for its status, into demo->status. */
int demo_wait_status(struct demo *demo, enum demo_side side, struct gw_error *e);

/*
 * Asks until condition returns something else than -EAGAIN. Ends early if a process has ended or a signal came, and
 * with -ETIMEDOUT ("waited 20 s for ...") at the deadline.
 */
int demo_wait_until(struct demo *demo, const char *what,
		    int (*condition)(struct demo *demo, const void *arg, struct gw_error *e), const void *arg,
		    struct gw_error *e);

#endif
