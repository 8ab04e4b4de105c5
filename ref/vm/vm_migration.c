/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the guest is, and the migration that decides it. */
#include "ref/vm/vm_migration.h"

#include "ref/vm/vm_error.h"
#include "ref/vm/vm_thread.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PROGRESS_MS 100

const char *vm_state_name(enum vm_state state)
{
	static const char *const names[] = {
		[VM_RUNNING] = "running",     [VM_INCOMING] = "incoming", [VM_MIGRATING] = "migrating",
		[VM_RECEIVING] = "receiving", [VM_MOVED] = "moved",       [VM_OWNER_UNKNOWN] = "owner-unknown",
		[VM_FAILED] = "failed",
	};

	return names[state];
}

static const enum vm_state source_ends[] = {
	[GW_COMPLETED] = VM_MOVED,
	[GW_ROLLED_BACK] = VM_RUNNING,
	[GW_OWNER_UNKNOWN] = VM_OWNER_UNKNOWN,
};

static const enum vm_state destination_ends[] = {
	[GW_COMPLETED] = VM_RUNNING,
	[GW_ROLLED_BACK] = VM_FAILED,
	[GW_OWNER_UNKNOWN] = VM_OWNER_UNKNOWN,
};

int vm_migration_init(struct vm_migration *migration, const struct gw_vm *vm, struct gw_error *e)
{
	*migration = (struct vm_migration){ .vm = vm, .event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (migration->event_fd < 0)
		return vm_error_set(e, -errno, "", "no eventfd to be had: %s", strerror(errno));
	return 0;
}

static int wait_for_end(const struct vm_migration *migration, int timeout_ms)
{
	return migration->source ? gw_source_wait(migration->source, timeout_ms)
				 : gw_destination_wait(migration->destination, timeout_ms);
}

static void *waiter_main(void *arg)
{
	const struct vm_migration *migration = arg;

	while (wait_for_end(migration, PROGRESS_MS))
		eventfd_write(migration->event_fd, 1);
	eventfd_write(migration->event_fd, 1);
	return NULL;
}

static int start_waiter(struct vm_migration *migration, struct gw_error *e)
{
	int ret = vm_thread_start(&migration->waiter, "migration", waiter_main, migration);

	if (ret)
		return vm_error_set(e, ret, "", "no thread to be had: %s", strerror(-ret));
	migration->waiting = 1;
	return 0;
}

/* The waiter ends by itself once there is an outcome. */
static void join_waiter(struct vm_migration *migration)
{
	if (migration->waiting)
		pthread_join(migration->waiter, NULL);
	migration->waiting = 0;
}

static void free_both(struct vm_migration *migration)
{
	gw_source_free(migration->source);
	gw_destination_free(migration->destination);
	migration->source = NULL;
	migration->destination = NULL;
}

void vm_migration_fini(struct vm_migration *migration)
{
	if (migration->waiting && migration->source)
		gw_source_cancel(migration->source);
	if (migration->waiting && migration->destination)
		gw_destination_cancel(migration->destination);
	join_waiter(migration);
	free_both(migration);
	if (migration->event_fd >= 0)
		close(migration->event_fd);
	migration->event_fd = -1;
}

int vm_migration_listen(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
			struct gw_error *e)
{
	int ret = gw_destination_new(&migration->destination, migration->vm, limits, e);

	if (!ret)
		ret = gw_destination_start(migration->destination, uri, e);
	if (!ret)
		ret = start_waiter(migration, e);
	if (ret)
		free_both(migration);
	else
		migration->state = VM_INCOMING;
	return ret;
}

int vm_migration_start(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
		       struct gw_error *e)
{
	int ret;

	if (migration->state != VM_RUNNING)
		return vm_error_set(e, -EBUSY, "", "only a running guest can migrate, this VM is \"%s\"",
				    vm_state_name(vm_migration_state(migration)));
	ret = gw_source_new(&migration->source, migration->vm, limits, e);
	if (!ret)
		ret = gw_source_start(migration->source, uri, e);
	if (!ret)
		ret = start_waiter(migration, e);
	if (ret)
		free_both(migration);
	else
		migration->state = VM_MIGRATING;
	return ret;
}

int vm_migration_cancel(struct vm_migration *migration, struct gw_error *e)
{
	int ret;

	if (!migration->waiting)
		return vm_error_set(e, -ENOENT, "", "no migration is on");
	ret = migration->source ? gw_source_cancel(migration->source) : gw_destination_cancel(migration->destination);
	if (ret == -EALREADY)
		return vm_error_set(e, ret, "", "too late: the migration can no longer be taken back from here");
	return ret ? vm_error_set(e, ret, "", "it cannot be cancelled: %s", strerror(-ret)) : 0;
}

/* An undecided migration is kept: it is the library that takes the guest back or over. */
static void note_end(struct vm_migration *migration)
{
	const enum vm_state *ends = migration->source ? source_ends : destination_ends;

	migration->report = *(migration->source ? gw_source_report(migration->source)
						: gw_destination_report(migration->destination));
	migration->state = ends[migration->report.outcome];
	if (migration->state != VM_OWNER_UNKNOWN)
		free_both(migration);
}

enum vm_migration_news vm_migration_poll(struct vm_migration *migration)
{
	eventfd_t count;

	if (eventfd_read(migration->event_fd, &count) || !migration->waiting)
		return VM_NEWS_NONE;
	if (wait_for_end(migration, 0))
		return vm_migration_state(migration) == VM_INCOMING ? VM_NEWS_NONE : VM_NEWS_PROGRESS;
	join_waiter(migration);
	note_end(migration);
	return VM_NEWS_ENDED;
}

static int check_undecided(const struct vm_migration *migration, struct gw_error *e)
{
	if (migration->state == VM_OWNER_UNKNOWN)
		return 0;
	return vm_error_set(e, -EPROTO, "", "there is nothing to decide, this VM is \"%s\"",
			    vm_state_name(vm_migration_state(migration)));
}

int vm_migration_take(struct vm_migration *migration, struct gw_error *e)
{
	int ret = check_undecided(migration, e);

	if (!ret)
		ret = migration->source ? gw_source_take_back(migration->source, e)
					: gw_destination_take_over(migration->destination, e);
	if (!ret)
		note_end(migration);
	return ret;
}

int vm_migration_give_up(struct vm_migration *migration, struct gw_error *e)
{
	int ret = check_undecided(migration, e);

	if (ret)
		return ret;
	migration->state = migration->source ? VM_MOVED : VM_FAILED;
	free_both(migration);
	return 0;
}

enum vm_state vm_migration_state(const struct vm_migration *migration)
{
	struct gw_progress progress;

	if (migration->state != VM_INCOMING)
		return migration->state;
	gw_destination_progress(migration->destination, &progress);
	return strcmp(progress.phase, "waiting") ? VM_RECEIVING : VM_INCOMING;
}

void vm_migration_progress(const struct vm_migration *migration, struct gw_progress *progress)
{
	if (migration->source)
		gw_source_progress(migration->source, progress);
	else
		gw_destination_progress(migration->destination, progress);
}

const char *vm_migration_uri(const struct vm_migration *migration)
{
	return migration->destination ? gw_destination_uri(migration->destination) : NULL;
}
