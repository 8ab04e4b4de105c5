/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking a VM to migrate and following it to the end: what "godwit migrate" and "godwit demo" share. The VM does
 * the work; this is a client of its control socket.
 */
#ifndef TOOL_MIGRATION_H
#define TOOL_MIGRATION_H

#include "options.h"
#include "progress.h"

#include <godwit/report.h>
#include <jansson.h>
#include <stdint.h>

struct migration_limits {
	uint64_t downtime_ns;
	uint64_t bandwidth; /* 0: none */
	uint64_t channels;
	uint64_t max_rounds; /* 0: no limit */
	uint32_t allow_no_p2p;
	uint32_t verify;
};

/* Rows of a command's option table, for a member of its struct that is a struct migration_limits. */
/* clang-format off */
#define MIGRATION_OPTIONS(args, member) \
	{ .name = "downtime-limit", .kind = OPTION_DURATION, .offset = offsetof(args, member.downtime_ns), \
	  .value = "TIME", .standard = "300ms", .min = 1000000, \
	  .help = "pause the guest once the downtime is expected to be shorter" }, \
	{ .name = "bandwidth", .kind = OPTION_RATE, .offset = offsetof(args, member.bandwidth), .value = "RATE", \
	  .help = "send at most so much a second, over all channels" }, \
	{ .name = "channels", .kind = OPTION_COUNT, .offset = offsetof(args, member.channels), .value = "N", \
	  .standard = "2", .min = 1, .max = GW_MAX_CHANNELS, .help = "connections for data" }, \
	{ .name = "max-rounds", .kind = OPTION_COUNT, .offset = offsetof(args, member.max_rounds), .value = "N", \
	  .max = UINT32_MAX, .help = "give up (and roll back) after so many rounds over RAM" }, \
	{ .name = "allow-no-p2p", .kind = OPTION_FLAG, .offset = offsetof(args, member.allow_no_p2p), \
	  .help = "go on with several devices though one cannot stop peer-to-peer traffic first" }
/* clang-format on */

/*
 * Asks the VM behind the control socket to migrate to uri and waits for the outcome. A signal on stop_fd asks for
 * cancellation and goes on waiting; a second one ends the waiting with -EINTR. view may be NULL: no display.
 * 0: *report is the VM's report, whatever the outcome; the caller's to release.
 */
int migration_run(const char *control, const char *uri, const struct migration_limits *limits, int stop_fd,
		  struct progress_view *view, json_t **report, struct gw_error *e);

/* The exit_code that belongs to a report; completed but not verified is a failure where it was asked for. */
int migration_exit_code(const json_t *report, int verify);

#endif
