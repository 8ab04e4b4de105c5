/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device's migration: its state, the way along the arcs, and the data session. States are set by the thread of
 * the command socket alone, but for a fault's reset, which waits for move_lock (taken before the others); data may come
 * over both sockets. session_lock serializes the data session; `state` is under the device's lock. Which arcs there
 * are is mig_state.h's; what each does is arc.h's; data_session.c moves the bytes.
 */
#ifndef REF_DEVICE_MIGRATION_H
#define REF_DEVICE_MIGRATION_H

#include "ref/device/fault.h"
#include "ref/device/mig_state.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ref_device;
struct ref_device_options;
struct state_load;
struct state_save;

/* Whether the client is to be told that the initial part was armed anew: until data is read after it was told. */
enum reinit { REINIT_NONE, REINIT_DUE, REINIT_TOLD };

struct migration {
	pthread_mutex_t move_lock;
	pthread_mutex_t session_lock;
	struct state_save *save;
	struct state_load *load;
	struct state_save *suspended_save; /* by a fault: the next session goes on with it */
	struct state_load *suspended_load;
	uint64_t position; /* bytes that went through the session */
	bool end_told;     /* by an empty read */
	bool end_extra;    /* by a fault, more than there is was read */
	uint64_t paced_ns; /* the rate-limited session is busy until then */
	uint32_t rearms_left;
	uint32_t rearms_p2p_left;
	enum reinit reinit;  /* of the save session */
	bool initial_is_out; /* the last answer about the save session said so */
	bool opted_in;       /* the client knows of re-arming */
	uint32_t state;
};

/* What pre-copy has still to send. */
struct precopy_left {
	uint64_t initial;
	uint64_t dirty;
	bool reinit; /* the initial part was armed anew */
};

void ref_migration_init(struct migration *migration, const struct ref_device_options *options);
void ref_migration_fini(struct migration *migration);

/* Ends a session; RUNNING. With session_lock and the device's lock held, and the engine held. */
void ref_migration_reset(struct ref_device *dev, enum fault_action fault);

uint32_t ref_migration_state(struct ref_device *dev);

/*
 * Goes to state, arc by arc, each in its time. -EINVAL: no such state or no way there; others: an arc failed, and the
 * device is where that arc began.
 */
int ref_migration_set(struct ref_device *dev, uint32_t state, uint32_t caps);

/* The same for a client, as the faults have it; *told is what the reply says. */
struct state_told {
	uint32_t state;
	uint32_t data_fd;
};
int ref_migration_set_asked(struct ref_device *dev, uint32_t state, uint32_t caps, struct state_told *told);

/* By a fault: into any state, ERROR too, by the arcs if they lead there and by way of a reset if not. */
void ref_migration_force(struct ref_device *dev, uint32_t state);

/* Whether the data session takes nothing more but a reset. */
bool ref_migration_has_failed(struct ref_device *dev);

/*
 * The data session: bytes read, or 0, or -EINVAL in a state without such a session. *done_ns: when, at the rate that
 * is set, the transfer would have ended; the caller waits for that before it answers, with nothing locked.
 */
ssize_t ref_migration_read(struct ref_device *dev, void *buf, size_t size, uint64_t *done_ns);
int ref_migration_write(struct ref_device *dev, const void *buf, size_t size, uint64_t *done_ns);

/*
 * -EINVAL outside the pre-copy states. To ask is what makes the device re-arm in PRE_COPY: once a client that knows of
 * it was told that the initial part is read, its next question finds it armed anew, as often as the options say.
 */
int ref_migration_precopy_left(struct ref_device *dev, struct precopy_left *left);

/* This client knows of re-arming; a client that has come does not, before it says so. */
void ref_migration_opt_in(struct ref_device *dev);
void ref_migration_opt_out(struct ref_device *dev);

uint64_t ref_migration_stop_bytes(struct ref_device *dev);
uint64_t ref_migration_position(struct ref_device *dev);

/* For the arcs. With session_lock held: arms the initial part anew, if that can be, and uses up one of the times left.
 */
void ref_migration_rearm(struct migration *migration, uint32_t *times_left);
void ref_migration_rearm_now(struct ref_device *dev); /* by a fault: beside those times */

#endif
