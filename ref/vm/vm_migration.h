/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the guest is: what this VM has to do with it, and the migration, outgoing or incoming, that decides it. At
 * most one at a time. A timer is readable every 10 ms while a migration is on or undecided: then the library is asked.
 * All calls from one thread, that of the control socket.
 */
#ifndef REF_VM_MIGRATION_H
#define REF_VM_MIGRATION_H

#include <godwit/godwit.h>
#include <stdbool.h>

enum vm_state {
	VM_RUNNING = 0,
	VM_INCOMING, /* waits for a guest */
	VM_MIGRATING,
	VM_RECEIVING,
	VM_MOVED,         /* completed; the guest is elsewhere */
	VM_OWNER_UNKNOWN, /* paused here until the arbiter or someone decides */
	VM_FAILED,        /* an incoming migration failed; there is no guest */
};
const char *vm_state_name(enum vm_state state);

enum vm_migration_news { VM_NEWS_NONE, VM_NEWS_PROGRESS, VM_NEWS_ENDED };

struct vm_migration {
	const struct gw_vm *vm;
	enum vm_state state;      /* as of the last news */
	struct gw_source *source; /* until it is decided where the guest is */
	/* Kept when it has ended: a source that lost the answer comes back and asks for it. */
	struct gw_destination *destination;
	struct gw_arbiter *arbiter; /* of either; NULL: none */
	int event_fd;               /* readable: ask for the news */
	uint64_t ticks;             /* since the last progress */
	char phase[32];             /* that it told */
	enum gw_side side;          /* this VM's in the last one that ended; 0: none has */
	struct gw_report report;    /* of that one */
};

int vm_migration_init(struct vm_migration *migration, const struct gw_vm *vm, struct gw_error *e);
/* Ends a migration that is on. */
void vm_migration_fini(struct vm_migration *migration);

/* Incoming, outgoing. limits as in the library, but for the arbiter: it is opened here from its URI (NULL: none). */
int vm_migration_listen(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
			const char *arbiter_uri, struct gw_error *e);
int vm_migration_start(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
		       const char *arbiter_uri, struct gw_error *e);

/* The guest has died here: a migration of it ends, with that as its error. */
void vm_migration_fail(struct vm_migration *migration, const struct gw_error *why);

int vm_migration_cancel(struct vm_migration *migration, struct gw_error *e);

/* 0, or -EPROTO and what decided it if this VM is not VM_OWNER_UNKNOWN. */
int vm_migration_check_undecided(const struct vm_migration *migration, struct gw_error *e);
/*
 * After OWNER_UNKNOWN. take: run the guest here; give_up: do not, ever. An arbiter is asked, or told, first: that it
 * names the other side is an error of take, and decides.
 */
int vm_migration_take(struct vm_migration *migration, struct gw_error *e);
int vm_migration_give_up(struct vm_migration *migration, struct gw_error *e);

/* A migration may end twice: as VM_OWNER_UNKNOWN, and when the arbiter has answered. */
enum vm_migration_news vm_migration_poll(struct vm_migration *migration);

/* VM_RECEIVING as soon as a source is there. */
enum vm_state vm_migration_state(const struct vm_migration *migration);

/* While VM_MIGRATING or VM_RECEIVING. */
void vm_migration_progress(const struct vm_migration *migration, struct gw_progress *progress);

/* NULL: not waiting for a guest. */
const char *vm_migration_uri(const struct vm_migration *migration);

#endif
