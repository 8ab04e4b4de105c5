/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One arc of the migration states, in its time: what the device does on it, and the data sessions that begin and end
 * with it. On the thread that changes the state, with migration.move_lock held.
 */
#ifndef REF_DEVICE_ARC_H
#define REF_DEVICE_ARC_H

#include "ref/device/fault.h"

struct migration;

/* fault: what strikes it, of those that are about sessions. On failure the device is where it was. */
int ref_arc_run(struct ref_device *dev, uint32_t from, uint32_t to, enum fault_action fault);

/* With session_lock held. false: by the fault it is not gone. */
bool ref_arc_end_session(struct migration *migration, enum fault_action fault);
void ref_arc_end_all_sessions(struct migration *migration); /* those too */

#endif
