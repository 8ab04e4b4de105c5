/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a source's and a destination's session have in common: the VM and its RAM, the mailbox and the thread that
 * reads it, the control channel, a worker for the VM's callbacks, the parts of actions under way, and the published
 * outcome. The session's thread owns everything here but what the lock guards.
 */
#ifndef SESSION_CORE_H
#define SESSION_CORE_H

#include "channel/meter.h"
#include "memory/ram.h"
#include "session/control.h"
#include "session/worker.h"

#include <godwit/arbiter.h>
#include <godwit/report.h>
#include <godwit/vm.h>

/* An action that several threads carry out: it is over when all of its parts are. */
struct parts {
	uint32_t outstanding;
	uint32_t stage; /* of actions with barriers */
	uint64_t began_ns;
	struct gw_error error; /* of the first part that failed */
};

struct core {
	struct gw_vm vm;
	struct gw_device *devices[GW_MAX_DEVICES]; /* vm.devices, copied */
	struct gw_limits limits;                   /* with the defaults filled in */
	struct ram ram;
	struct manifest manifest; /* of our own VM */
	struct queue mailbox;
	pthread_t thread;
	bool started;
	struct control control;
	uint64_t link;             /* the number of the connection at hand: what an older one's threads noted is void */
	struct worker vm_worker;   /* the VM's callbacks, never two at once */
	struct worker link_worker; /* what waits for a network or for the arbiter */
	struct job jobs[NR_ACTION_TYPES];
	struct parts parts[NR_ACTION_TYPES];
	struct meter meter;
	uint64_t start_ns;
	struct note cancel, decide, quit;
	struct reason blockers[GW_MAX_BLOCKERS]; /* found on this side, then those that the peer sent */
	uint32_t nr_blockers;
	enum gw_side claim_side; /* CLAIM, GIVE_BACK: what is asked for */
	uint8_t claim_id[MIGRATION_ID_BYTES];
	enum claim_result claim;
	struct gw_error data_lost; /* a data channel broke: held back until held_ns, as the peer may still say why */
	uint64_t held_ns;          /* DEADLINE_NEVER: nothing is held */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t finished;
	enum gw_outcome outcome;
	bool cancelled;    /* the user asked to stop */
	bool too_late;     /* the point after which a cancel is refused */
	bool running_late; /* a decision after OWNER_UNKNOWN is under way */
	struct gw_report report;
};

/* Copies the VM and limits (NULL: defaults), checks them, makes the manifest. Undone by core_fini, in any state. */
int core_init(struct core *core, const struct gw_vm *vm, const struct gw_limits *limits, struct gw_error *e);
int core_start(struct core *core, const char *name, void *(*run)(void *), void *ctx, struct gw_error *e);
void core_fini(struct core *core);

/* Begins a part on the VM's worker, or on the one for what waits for others. */
void core_begin_vm(struct core *core, enum action_type action, int (*run)(void *ctx, struct gw_error *e), void *ctx);
void core_begin_link(struct core *core, enum action_type action, int (*run)(void *ctx, struct gw_error *e), void *ctx);

/* The note is of a thread of a connection that is no more. */
bool core_is_stale(const struct core *core, const struct note *note);

void core_add_blocker(struct core *core, const struct reason *reason); /* more than fit are cut */
void core_report_blockers(const struct core *core, struct gw_report *report);

/* CLAIM and GIVE_BACK, for both sides. */
void core_begin_claim(struct core *core, enum gw_side side, const uint8_t id[MIGRATION_ID_BYTES]);
void core_begin_give_back(struct core *core, const uint8_t id[MIGRATION_ID_BYTES]);
/* Opens an action of nr parts; nr 0 is allowed. */
void core_begin(struct core *core, enum action_type action, uint32_t nr_parts);
/* Counts one part done. True: it was the last one. */
bool core_part_done(struct core *core, const struct note *note);

/* What a finished action is to its engine: DONE, or FAILED with the first part's error. */
struct event core_finished(struct core *core, enum action_type action);

/* Asks to stop: 0, or -EALREADY past the point of no return. */
/* why: the report's error then; NULL: "cancelled" */
int core_cancel(struct core *core, const struct gw_error *why);
/* Marks that point. -ECANCELED: the user was first. */
int core_pass_point_of_no_return(struct core *core);

/*
 * A peer that gives up says why on the control channel and closes all channels: a data channel's end may be seen
 * first. Holds such news for a moment. True: it is held, core_deadline_ns knows.
 */
bool core_hold_lost(struct core *core, const struct note *note);
/* The earlier of the engine's deadline and the time at which held news is news. */
uint64_t core_deadline_ns(const struct core *core, uint64_t engine_ns);
/* What a passed deadline is to the engine: held news, or a TICK. */
struct event core_tick(struct core *core);

void core_publish(struct core *core, enum gw_outcome outcome);
enum gw_outcome core_outcome(struct core *core);
int core_wait(struct core *core, int timeout_ms);
/* After OWNER_UNKNOWN: posts the user's decision (.decide or .cancel of core), and waits for what comes of it. */
int core_decide(struct core *core, struct note *decision, struct gw_error *e);

/* 0: nothing speaks against it. Else -ENOTSUP with all the reasons in one record, as far as they fit. */
int core_reasons_error(const struct reasons *reasons, struct gw_error *e);

uint64_t core_peak_rss_bytes(void);

#endif
