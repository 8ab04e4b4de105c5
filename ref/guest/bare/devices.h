/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM's devices and their drivers: device i is driven by vCPU i % nr, and interrupts that one. */
#ifndef REF_GUEST_BARE_DEVICES_H
#define REF_GUEST_BARE_DEVICES_H

#include "ref/guest/bare/vcpu.h"

enum devices_pace { DEVICES_FAST, DEVICES_GENTLE };

/* On one vCPU, when the others take interrupts. What cannot be driven is an integrity error. */
void devices_start(enum devices_pace pace);

/* Those of this vCPU. */
void devices_tick(struct vcpu *v, uint64_t now_ns);

/* For people: "ref", "mtty", "none". index: less than the number of devices. */
const char *devices_driver(uint32_t index);

#endif
