/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct gw_device: one device, whatever is behind it. The public half is <godwit/device.h>; this is what a
 * session needs beside it. Migration calls on one device come from one thread at a time; device_state and
 * device_info may be called by any thread, and region and interrupt calls run beside everything.
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <godwit/device.h>
#include <godwit/raw.h>
#include <godwit/report.h>
#include <stdbool.h>
#include <stdint.h>

#define DEVICE_URI_BYTES 512

struct gw_device {
	char id[GW_DEVICE_ID_BYTES];
	char uri[DEVICE_URI_BYTES];
	struct gw_device_ops ops;   /* a copy; entries that the caller's table does not reach are NULL */
	struct gw_raw_ops raw;      /* the same of ops.raw, all NULL where there is none */
	void *ctx;                  /* the back end's own, ended by ops.close */
	struct gw_device_info info; /* asked once, when the device was opened */
	uint32_t state;             /* last known, atomic */
	bool load_failed;           /* a write of this loading session failed: only a reset may end it */
};

/* How long each arc of a walk took, in order. Arcs that no longer fit are not kept. */
struct arc_log {
	struct gw_arc_time arcs[GW_MAX_ARCS];
	uint32_t nr;
};

/*
 * Makes a device of a back end. ctx becomes the device's if it succeeds, and stays the caller's if not. Claims of
 * info that the table cannot keep are dropped; a table that claims migration and lacks its calls is -EINVAL.
 */
int device_new(struct gw_device **dev, const char *id, const char *uri, const struct gw_device_ops *ops, void *ctx,
	       struct gw_error *e);

/* Last known; a failed walk and a reset keep it right too. */
uint32_t device_state(const struct gw_device *dev);
const struct gw_device_info *device_info(const struct gw_device *dev);

/*
 * Walks to a state arc by arc and returns there. log may be NULL; arcs that were completed are added to it.
 * An arc that fails ends the walk with its error, after the recovery that the uAPI's text describes: ask where the
 * device is, go back to the state it came from (STOP, where that one has a data session), or reset it; a loading
 * session has no way back but the reset. The error tells what came of it.
 * -EINVAL: no such way for this device; -ENODEV: it is in ERROR; -ESTALE: its data session is gone, or what was
 * loaded was not taken (drivers are known that let such a session end as if all were well).
 */
int device_walk(struct gw_device *dev, uint32_t to, struct arc_log *log, struct gw_error *e);

/*
 * A device found in any state, made RUNNING: by asking for it, or by a reset; and the reset itself, after which a
 * device may still be in the state it was in. For back ends at open, and for recovery.
 */
int device_settle(const struct gw_device_ops *ops, void *ctx, const char *where, struct gw_error *e);
int device_reset_to_running(const struct gw_device_ops *ops, void *ctx, const char *where, struct gw_error *e);

/* DMA logging. report ORs a bit a page into bitmap, bit 0 for iova; after any error of it the log is lost. */
int device_log_start(struct gw_device *dev, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
		     struct gw_error *e);
int device_log_stop(struct gw_device *dev, struct gw_error *e);
int device_log_report(struct gw_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		      struct gw_error *e);

#endif
