/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load session: takes the state stream of state_format.h in bites of any size and puts local memory straight into
 * place. Opened by the arc into RESUMING; every call is with migration.session_lock held. Every byte is doubted:
 * the first one that is wrong makes the session fail for good, only a reset ends it then.
 */
#ifndef REF_DEVICE_STATE_LOAD_H
#define REF_DEVICE_STATE_LOAD_H

#include <stddef.h>
#include <stdint.h>

struct ref_device;
struct state_load;

struct state_load *ref_state_load_new(struct ref_device *dev); /* NULL: no memory */
void ref_state_load_free(struct state_load *load);             /* NULL is fine */

/* Takes all of it, or fails: -EBADMSG malformed, -EINVAL the state of a device of another size or layout. */
int ref_state_load_write(struct state_load *load, const void *buf, size_t size);

/*
 * The stream has ended: if it is complete, and the digest is that of what this device holds now, the registers
 * become the device's. -EBADMSG otherwise, or the error that a write failed with.
 */
int ref_state_load_finish(struct state_load *load);

#endif
