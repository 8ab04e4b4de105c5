/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between the guest and its devices: a driver for each kind of device that it knows, chosen by the PCI
 * vendor and device. A driver uses its device all the time and knows what it must find; what it knows is guest
 * state and moves with the guest. All calls on the vCPU that owns the device, or while the guest is paused.
 */
#ifndef REF_GUEST_DRIVER_H
#define REF_GUEST_DRIVER_H

#include "ref/base/blob.h"
#include "ref/guest/integrity.h"
#include "ref/guest/peers.h"

#include <godwit/device.h>
#include <stdint.h>

/* Guest RAM that each device has for itself. */
#define DRIVER_AREA_BYTES (128u << 10)

struct driver_env {
	struct gw_device *dev;
	uint64_t area_gpa;
	uint8_t *area; /* DRIVER_AREA_BYTES, zeros in a guest that starts */
	uint64_t seed;
	struct integrity *integrity;
	const struct peer_window *peer; /* another device's memory, this one's alone to write to; NULL: none */

	/* What a vCPU can bear that has to look at all of it; 0: as much as the driver likes. */
	uint32_t records_per_s;
	uint32_t operation_bytes; /* of the longest */
};

struct driver_counters {
	uint64_t operations;
	uint64_t stamps;
	uint64_t peer_writes; /* found in the peer's memory, whole */
};

struct driver_ops {
	const char *name;
	uint16_t vendor_id;
	uint16_t device_id;

	/* Binds interrupts. The device is not touched beyond that: its state may be about to come. */
	int (*open)(void **ctx, const struct driver_env *env, struct gw_error *e);
	void (*close)(void *ctx);

	/* In a guest that starts: sets the device going. */
	int (*start)(void *ctx, struct gw_error *e);
	void (*tick)(void *ctx, uint64_t now_ns);

	/* Paused only. check looks at RAM, not at the device, which may be stopped, or the guest of another VM now. */
	void (*check)(void *ctx);
	void (*save)(void *ctx, struct blob_out *out);
	int (*load)(void *ctx, struct blob_in *in); /* 0, or -EBADMSG */

	/* Any thread. */
	void (*counters)(const void *ctx, struct driver_counters *counters);
};

extern const struct driver_ops driver_ref_ops;
extern const struct driver_ops driver_mtty_ops;

/* NULL: no driver for such a device; it is carried along all the same. */
const struct driver_ops *driver_find(const struct gw_device_info *info);

#endif
