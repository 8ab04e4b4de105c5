/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VM's devices as each other's peers: what can be mapped of each device's BAR 2, its window, mapped into this
 * process for the guest's drivers and, outside of RAM, for the DMA of every other device. The devices go first, then
 * the windows. Not touched between open and close.
 */
#ifndef REF_GUEST_PEERS_H
#define REF_GUEST_PEERS_H

#include <godwit/vm.h>
#include <stdint.h>

struct peer_window {
	const char *id; /* of the device whose it is */
	uint64_t iova;  /* for the others: follows from the device's place and its window's, so it is the same after a
			   move */
	uint64_t size_bytes;
	uint8_t *hva;
};

struct peers {
	uint32_t nr;
	struct peer_window windows[GW_MAX_DEVICES]; /* of the devices, in their order */
};

/* Needs two devices, and a window of each. On failure nothing is left but maps in the devices. */
int peers_open(struct peers *peers, struct gw_device *const *devices, uint32_t nr_devices, struct gw_error *e);
void peers_close(struct peers *peers); /* nothing open is fine */

/* Into whose window a device's driver writes: a ring, so that each window has one writer. NULL: no peers, or none open.
 */
const struct peer_window *peers_next(const struct peers *peers, uint32_t device);

#endif
