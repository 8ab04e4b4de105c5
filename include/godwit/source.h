/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source of a migration: the side that has the guest. One object a migration. After the outcome the guest
 * runs here (ROLLED_BACK), there (COMPLETED), or is paused here until the caller decides (OWNER_UNKNOWN).
 */
#ifndef GODWIT_SOURCE_H
#define GODWIT_SOURCE_H

#include <godwit/report.h>
#include <godwit/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gw_source;

/* limits may be NULL. The VM runs and goes on running. */
int gw_source_new(struct gw_source **source, const struct gw_vm *vm, const struct gw_limits *limits,
		  struct gw_error *e);

/*
 * Starts migrating to "tcp:HOST:PORT" or "unix:PATH" and returns; the rest happens in godwit's threads. What speaks
 * against it (gw_report.blockers) is found before the guest stops and ends it as ROLLED_BACK: it is no error here.
 */
int gw_source_start(struct gw_source *source, const char *uri, struct gw_error *e);

/* Asks it to stop. Taken until the commit; then too late: -EALREADY. The outcome says what came of it. */
int gw_source_cancel(struct gw_source *source);

/*
 * The same, for the VMM that has a reason of its own: a guest that has died need not be sent to the end of the round.
 * The report's error is *why; its code must be negative, -EINVAL. One that comes after another, or a cancel, is too
 * late to be the reason, and taken.
 */
int gw_source_fail(struct gw_source *source, const struct gw_error *why);

/*
 * Waits for the outcome: 0, or -ETIMEDOUT. timeout_ms < 0: for ever. With an arbiter OWNER_UNKNOWN may resolve itself
 * later: progress.outcome tells, and the report is then another.
 */
int gw_source_wait(struct gw_source *source, int timeout_ms);

void gw_source_progress(struct gw_source *source, struct gw_progress *progress);

/* After gw_source_wait has returned 0; owned by the source. */
const struct gw_report *gw_source_report(const struct gw_source *source);

/*
 * After OWNER_UNKNOWN, and only when someone has made sure that the destination does not and will not run the
 * guest: takes the devices back and resumes. The outcome becomes ROLLED_BACK. With an arbiter that is asked first: if
 * it says that the guest is the destination's, the outcome becomes COMPLETED; end the other side's process before, for
 * it asks the arbiter by itself.
 */
int gw_source_take_back(struct gw_source *source, struct gw_error *e);

/* Cancels, waits, frees. NULL is fine. */
void gw_source_free(struct gw_source *source);

#ifdef __cplusplus
}
#endif
#endif
