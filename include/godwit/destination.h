/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The destination of a migration: a VM whose guest has not run yet. It runs the guest after the source's COMMIT,
 * and never without it. One object takes one migration; attempts refused before anything came do not use it up.
 */
#ifndef GODWIT_DESTINATION_H
#define GODWIT_DESTINATION_H

#include <godwit/report.h>
#include <godwit/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gw_destination;

/* limits may be NULL. */
int gw_destination_new(struct gw_destination **destination, const struct gw_vm *vm, const struct gw_limits *limits,
		       struct gw_error *e);

/* Listens on "tcp:HOST:PORT" (port 0: any) or "unix:PATH" and returns; the rest happens in godwit's threads. */
int gw_destination_start(struct gw_destination *destination, const char *uri, struct gw_error *e);

/* The URI a source connects to, with the port that was taken. Valid after start; owned by the destination. */
const char *gw_destination_uri(const struct gw_destination *destination);

/*
 * Stops waiting or loading. Taken until READY was sent: then the source decides, and this returns -EALREADY. After
 * OWNER_UNKNOWN it gives up what is held, and waits for that: the outcome becomes ROLLED_BACK. Only when someone has
 * made sure that the source runs the guest, or that nobody should.
 */
int gw_destination_cancel(struct gw_destination *destination);

/* Waits for the outcome: 0, or -ETIMEDOUT. timeout_ms < 0: for ever. */
int gw_destination_wait(struct gw_destination *destination, int timeout_ms);

void gw_destination_progress(struct gw_destination *destination, struct gw_progress *progress);

/* After gw_destination_wait has returned 0; owned by the destination. */
const struct gw_report *gw_destination_report(const struct gw_destination *destination);

/*
 * After OWNER_UNKNOWN (READY sent, no COMMIT came), and only when someone has made sure that the source does not and
 * will not run the guest, and has not run it since: runs it here. A source that rolled back and ran on has moved the
 * guest's disks and peers on; the guest held here is then one of the past. The outcome becomes COMPLETED.
 */
int gw_destination_take_over(struct gw_destination *destination, struct gw_error *e);

/*
 * Cancels (gives up what is held, too), waits, frees. NULL is fine. A source that lost the answer may come back for it:
 * keep a destination that has completed for as long as the source tries to reconnect.
 */
void gw_destination_free(struct gw_destination *destination);

#ifdef __cplusplus
}
#endif
#endif
