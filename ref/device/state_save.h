/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A save session: makes the state stream of state_format.h, in bites of any size. Opened by the arc into a saving
 * state and closed by the one out of it; every call is with migration.session_lock held, and takes the device's
 * lock for moments.
 */
#ifndef REF_DEVICE_STATE_SAVE_H
#define REF_DEVICE_STATE_SAVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ref_device;
struct state_save;

struct state_save *ref_state_save_new(struct ref_device *dev); /* NULL: no memory */
void ref_state_save_free(struct state_save *save);             /* NULL is fine */

/* The device is stopped and stays so: the stream can come to its end. */
void ref_state_save_finish(struct state_save *save);

/* Bytes put into buf. Fewer than size: before finish nothing more now, after it the end. */
size_t ref_state_save_read(struct state_save *save, void *buf, size_t size);

/* Nothing is left, and nothing will be. */
bool ref_state_save_has_ended(const struct state_save *save);

/*
 * What pre-copy has still to send, as of now: the initial part, and what is dirty beside it. As linux/vfio.h has it of
 * dirty_bytes, "this field starts at zero": nothing was sent yet that could have become dirty.
 */
void ref_state_save_left(struct state_save *save, uint64_t *initial, uint64_t *dirty);

/*
 * Arms the initial part anew: its blocks, one at least, are sent once more, behind a record that says so. false: what
 * was armed has not been read whole, so nothing was done. Before finish only.
 */
bool ref_state_save_rearm(struct state_save *save);

/* Bytes that a stop now would leave to send; of a device that is not saving (save is NULL), all: an upper bound. */
uint64_t ref_state_save_stop_bytes(struct ref_device *dev, struct state_save *save);

#endif
