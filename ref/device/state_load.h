/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A load session: takes the state stream of state_format.h in bites of any size and puts local memory straight into
 * place. Opened by the arc into RESUMING; every call is with migration.session_lock held. Every byte is doubted:
 * the first one that is wrong makes the session fail for good, only a reset ends it then.
 */
#ifndef REF_DEVICE_STATE_LOAD_H
#define REF_DEVICE_STATE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ref_device;
struct state_load;

/* What is wrong with a stream, so that a fault can let one kind of it pass. */
enum load_flaw {
	LOAD_GOOD,
	LOAD_EMPTY,      /* not a byte */
	LOAD_STUB,       /* it ends within its head */
	LOAD_TRUNCATED,  /* it ends early */
	LOAD_UNFINISHED, /* it ends within its last record */
	LOAD_GARBAGE,    /* no stream of this device's */
	LOAD_HEAD_BIT,   /* it would be one but for a bit of its first word */
	LOAD_FOREIGN,    /* of a device of another size or layout */
	LOAD_RECORD,     /* a record that cannot be, or not there */
	LOAD_DIGEST,     /* the digest is of something else */
	LOAD_SUM_BIT,    /* the digest is right but for a bit */
	LOAD_DOUBLED,    /* after the end another one begins */
	LOAD_EXTRA,      /* something else comes after the end */
};

struct state_load *ref_state_load_new(struct ref_device *dev); /* NULL: no memory */
void ref_state_load_free(struct state_load *load);             /* NULL is fine */

/* Takes all of it, or fails: -EBADMSG malformed, -EINVAL the state of a device of another size or layout. */
int ref_state_load_write(struct state_load *load, const void *buf, size_t size);

/*
 * The stream has ended: if it is complete, and the digest is that of what this device holds now, the registers
 * become the device's. -EBADMSG otherwise, or the error that a write failed with.
 */
int ref_state_load_finish(struct state_load *load);

/* A write or finish has failed: what comes now is refused too. */
bool ref_state_load_has_failed(const struct state_load *load);

#endif
