/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The migration states of the VFIO uAPI (linux/vfio.h, "The device migration Finite State Machine") as data:
 * which exist with which capabilities, what a device may do in each, and the arcs between them. Pure functions,
 * any thread. The numbers are the uAPI's; Linux headers before 6.2 lack the pre-copy ones, so all are here.
 */
#ifndef REF_DEVICE_MIG_STATE_H
#define REF_DEVICE_MIG_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum mig_state {
	MIG_ERROR = 0,
	MIG_STOP = 1,
	MIG_RUNNING = 2,
	MIG_STOP_COPY = 3,
	MIG_RESUMING = 4,
	MIG_RUNNING_P2P = 5,
	MIG_PRE_COPY = 6,
	MIG_PRE_COPY_P2P = 7,
	MIG_NR_STATES = 8,
};

/* Capabilities, as VFIO_DEVICE_FEATURE_MIGRATION reports them. */
#define MIG_CAP_STOP_COPY (1u << 0)
#define MIG_CAP_P2P       (1u << 1)
#define MIG_CAP_PRE_COPY  (1u << 2)

/* The data session that is open in a state. */
enum mig_session { MIG_SESSION_NONE, MIG_SESSION_SAVE, MIG_SESSION_LOAD };

/* state: one of the eight. */
enum mig_session ref_mig_state_session(uint32_t state);
bool ref_mig_state_runs(uint32_t state);      /* may do DMA and raise interrupts */
bool ref_mig_state_precopies(uint32_t state); /* runs while it saves */
bool ref_mig_state_initiates(uint32_t state); /* may do DMA to peers */

/* Whether state can be asked for with these capabilities; any number may be given. */
bool ref_mig_state_valid(uint32_t state, uint32_t caps);

/*
 * The next state on the way from one state to another: the shortest path, where a state passed on the way has a
 * save session if and only if both ends have one. -EINVAL: no such way, or not a state. A device that is in a state
 * its capabilities no longer have (the extension was agreed with an earlier client) can leave it.
 */
int ref_mig_state_next(uint32_t from, uint32_t to, uint32_t caps);

#endif
