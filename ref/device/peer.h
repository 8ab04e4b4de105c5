/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stamps into a peer's memory (ref/device_registers.h): DMA that only the states without P2P in their name may
 * do, and that stops when the arc out of them ends, not when it begins. Count and status are registers, so it goes on
 * after a move with the next stamp. All with the device's lock held.
 */
#ifndef REF_DEVICE_PEER_H
#define REF_DEVICE_PEER_H

#include <stdint.h>

struct ref_device;

void ref_peer_control(struct ref_device *dev, uint32_t control);
void ref_peer_repace(struct ref_device *dev); /* the rate has changed */

/* Writes stamps that are due (the lock is given up meanwhile); when the next ones are, or PACE_NEVER. */
uint64_t ref_peer_run(struct ref_device *dev, uint64_t now_ns);

#endif
