/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The driver of the reference device (ref/device_registers.h), in three parts that know nothing of each other:
 * operations, one after the other, the stream of records, and the stamps into a peer's memory, where the device has a
 * peer. Each part holds what it must find next.
 */
#ifndef REF_GUEST_DRIVER_REF_H
#define REF_GUEST_DRIVER_REF_H

#include "ref/device_registers.h"
#include "ref/guest/driver.h"
#include "ref/guest/interrupts.h"
#include "ref/guest/mmio.h"

#include <stdatomic.h>

/* The device's area of guest RAM. */
#define DRIVER_REF_RING_ENTRIES 1024u
#define DRIVER_REF_RING_BYTES   (DRIVER_REF_RING_ENTRIES * sizeof(struct refdev_record))
#define DRIVER_REF_BUFFER_BYTES (DRIVER_AREA_BYTES - DRIVER_REF_RING_BYTES)

#define DRIVER_REF_MIN_MEMORY_BYTES 4096 /* of the device: less cannot be cut into places */

struct driver_ref_operations {
	uint64_t memory_bytes; /* of the device, without its window where it is a peer's */
	uint64_t next;         /* operation in flight, or to be started; all parameters follow from it */
	uint32_t in_flight;
	uint64_t rung_ns; /* when, on this host's clock; does not move; 0: not here, so not known */
	_Atomic uint64_t nr_ended;
};

struct driver_ref_stream {
	uint64_t serial;
	uint64_t told; /* consumer index that the device knows */
	_Atomic uint64_t nr_taken;
};

struct driver_ref_peer {
	uint32_t entries; /* slots in the peer's window; 0: no peer */
	uint32_t wrong;   /* something was found, and told; it would be found again and again */
	uint64_t serial;
	uint64_t look_ns;            /* when to look next, on this host's clock; does not move */
	_Atomic uint64_t nr_checked; /* stamps that the device had counted when all of them were found */
};

struct driver_ref {
	struct driver_env env;
	const char *id;
	struct mmio registers;
	struct interrupts interrupts;
	struct driver_ref_operations operations;
	struct driver_ref_stream stream;
	struct driver_ref_peer peer;
	uint64_t *words; /* DRIVER_REF_BUFFER_BYTES of scratch */
	int gave_up;     /* the device has failed, and that was counted */
};

void driver_ref_operations_start(struct driver_ref *ref);
void driver_ref_operations_tick(struct driver_ref *ref, uint64_t now_ns);
void driver_ref_operations_save(const struct driver_ref *ref, struct blob_out *out);
int driver_ref_operations_load(struct driver_ref *ref, struct blob_in *in);

void driver_ref_stream_start(struct driver_ref *ref);
void driver_ref_stream_tick(struct driver_ref *ref);
void driver_ref_stream_check(const struct driver_ref *ref);
void driver_ref_stream_save(const struct driver_ref *ref, struct blob_out *out);
int driver_ref_stream_load(struct driver_ref *ref, struct blob_in *in);

void driver_ref_peer_start(struct driver_ref *ref);
void driver_ref_peer_tick(struct driver_ref *ref, uint64_t now_ns);
void driver_ref_peer_save(const struct driver_ref *ref, struct blob_out *out);
int driver_ref_peer_load(struct driver_ref *ref, struct blob_in *in);

#endif
