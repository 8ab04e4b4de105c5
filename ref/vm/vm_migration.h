/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the guest is: what this VM has to do with it, and the migration, outgoing or incoming, that decides it. At
 * most one at a time. A thread waits for the library and turns that into an eventfd, readable every 100 ms while
 * a migration is on and once it has ended. All calls from one thread, that of the control socket.
 */
#ifndef REF_VM_MIGRATION_H
#define REF_VM_MIGRATION_H

#include <godwit/godwit.h>
#include <pthread.h>

enum vm_state {
	VM_RUNNING = 0,
	VM_INCOMING, /* waits for a guest */
	VM_MIGRATING,
	VM_RECEIVING,
	VM_MOVED,         /* completed; the guest is elsewhere */
	VM_OWNER_UNKNOWN, /* paused here until someone decides */
	VM_FAILED,        /* an incoming migration failed; there is no guest */
};
const char *vm_state_name(enum vm_state state);

enum vm_migration_news { VM_NEWS_NONE, VM_NEWS_PROGRESS, VM_NEWS_ENDED };

struct vm_migration {
	const struct gw_vm *vm;
	enum vm_state state;      /* as of the last news */
	struct gw_source *source; /* one of the two while a migration is on, or not decided */
	struct gw_destination *destination;
	pthread_t waiter;
	int waiting;             /* the waiter runs */
	int event_fd;            /* readable: ask for the news */
	struct gw_report report; /* of the last one that ended */
};

int vm_migration_init(struct vm_migration *migration, const struct gw_vm *vm, struct gw_error *e);
/* Ends a migration that is on. */
void vm_migration_fini(struct vm_migration *migration);

/* Incoming, outgoing. limits as in the library. */
int vm_migration_listen(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
			struct gw_error *e);
int vm_migration_start(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
		       struct gw_error *e);

int vm_migration_cancel(struct vm_migration *migration, struct gw_error *e);

/* After OWNER_UNKNOWN. take: run the guest here; give_up: do not, ever. */
int vm_migration_take(struct vm_migration *migration, struct gw_error *e);
int vm_migration_give_up(struct vm_migration *migration, struct gw_error *e);

enum vm_migration_news vm_migration_poll(struct vm_migration *migration);

/* VM_RECEIVING as soon as a source is there. */
enum vm_state vm_migration_state(const struct vm_migration *migration);

/* While VM_MIGRATING or VM_RECEIVING. */
void vm_migration_progress(const struct vm_migration *migration, struct gw_progress *progress);

/* NULL: not waiting for a guest. */
const char *vm_migration_uri(const struct vm_migration *migration);

#endif
