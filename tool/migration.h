/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Asking a VM to migrate and following it to the end: what "godwit migrate" and "godwit demo" share. The VM does
 * the work; this is a client of its control socket.
 */
#ifndef TOOL_MIGRATION_H
#define TOOL_MIGRATION_H

#include "options.h"
#include "progress.h"
#include "ref/vm/ref_vm.h"

#include <godwit/report.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct migration_limits {
	uint64_t downtime_ns;
	uint64_t bandwidth; /* 0: none */
	uint64_t channels;
	uint64_t max_rounds;  /* 0: no limit */
	uint64_t max_time_ns; /* 0: no limit */
	uint64_t reconnect_ns;
	const char *arbiter; /* URI; NULL: none */
	uint32_t no_converge;
	uint32_t allow_no_p2p;
	uint32_t dry_run, precopy;
	uint32_t verify;
};

#define MIGRATION_MAX_RECONNECT_NS (600ull * 1000000000) /* the library's own */

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
	{ .name = "max-time", .kind = OPTION_DURATION, .offset = offsetof(args, member.max_time_ns), .value = "TIME", \
	  .help = "give up (and roll back) after so long in pre-copy" }, \
	{ .name = "on-no-converge", .kind = OPTION_CHOICE, .offset = offsetof(args, member.no_converge), \
	  .value = "WHAT", .standard = "wait", .choices = ref_vm_no_converge_names, \
	  .help = "if the guest writes faster than it can be sent" }, \
	{ .name = "reconnect", .kind = OPTION_DURATION, .offset = offsetof(args, member.reconnect_ns), \
	  .value = "TIME", .standard = "30s", .max = MIGRATION_MAX_RECONNECT_NS, \
	  .help = "how long to try to get a broken connection back; 0: not at all" }, \
	{ .name = "arbiter", .kind = OPTION_TEXT, .offset = offsetof(args, member.arbiter), .value = "file:DIR", \
	  .help = "who decides if the connection breaks in the handover; the same on both sides" }, \
	{ .name = "dry-run", .kind = OPTION_FLAG, .offset = offsetof(args, member.dry_run), \
	  .help = "tell what speaks against it, and stop nothing" }, \
	{ .name = "precopy", .kind = OPTION_FLAG, .offset = offsetof(args, member.precopy), \
	  .help = "with --dry-run: pre-copy too, to predict the downtime" }, \
	{ .name = "allow-no-p2p", .kind = OPTION_FLAG, .offset = offsetof(args, member.allow_no_p2p), \
	  .help = "go on with several devices though one cannot stop peer-to-peer traffic first" }
/* clang-format on */

/* What options cannot say of each other: 0, or -EINVAL with a sentence. */
int migration_check(const struct migration_limits *limits, struct gw_error *e);

/*
 * Asks the VM behind the control socket to migrate to uri and waits for the outcome. A signal on stop_fd asks for
 * cancellation and goes on waiting; a second one ends the waiting with -EINTR. view may be NULL: no display.
 * 0: *report is the VM's report, whatever the outcome; the caller's to release.
 */
int migration_run(const char *control, const char *uri, const struct migration_limits *limits, int stop_fd,
		  struct progress_view *view, json_t **report, struct gw_error *e);

/* Was it one, and does nothing speak against the real one? */
bool migration_was_dry(const json_t *report);
bool migration_is_possible(const json_t *report);

/*
 * The exit_code that belongs to a report; completed but not verified is a failure where it was asked for. A dry run
 * that ended well is "done".
 */
int migration_exit_code(const json_t *report, int verify);

#endif
