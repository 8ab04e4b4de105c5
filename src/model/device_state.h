/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The VFIO migration state machine as data. Pure functions, any thread. The rule is the text of enum
 * vfio_device_mig_state in linux/vfio.h: its states, its arcs, and how the other transitions combine from them.
 * State numbers are GW_STATE_*, flags are GW_MIGRATION_* of the device in question.
 */
#ifndef MODEL_DEVICE_STATE_H
#define MODEL_DEVICE_STATE_H

#include <godwit/device.h>
#include <stdbool.h>
#include <stdint.h>

/* The data session that is open in a state. It opens and closes exactly where the two ends of an arc differ. */
enum device_session {
	SESSION_NONE = 0,
	SESSION_SAVE,
	SESSION_LOAD,
};

/* "RUNNING_P2P" and the like; "?" for a number that is no state. */
const char *device_state_name(uint32_t state);

bool device_state_exists(uint32_t flags, uint32_t state);
enum device_session device_state_session(uint32_t state);

/* ERROR promises nothing, so both say yes to it. A number that is no state: yes, too. */
bool device_state_may_dma(uint32_t state);
bool device_state_may_dma_peer(uint32_t state);

/* Where the first barrier of a pause takes a device: its P2P state, or where it is if there is none for it. */
uint32_t device_state_quiesced(uint32_t flags, uint32_t state);

/*
 * The first step from one state to another: the arc that the shortest path begins with, to itself if from is to.
 * -EINVAL where there is no path: ERROR at either end, a state the device lacks, STOP_COPY back to PRE_COPY or
 * PRE_COPY_P2P.
 */
int device_state_next(uint32_t flags, uint32_t from, uint32_t to, uint32_t *next);

#endif
