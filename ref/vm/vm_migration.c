/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the guest is, and the migration that decides it. */
#include "ref/vm/vm_migration.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define TICK_NS        10000000 /* for so long the end of a migration may go unnoticed */
#define PROGRESS_TICKS 10

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

static int set_timer(const struct vm_migration *migration, long tick_ns)
{
	struct itimerspec timer = { .it_value = { .tv_nsec = tick_ns }, .it_interval = { .tv_nsec = tick_ns } };

	return timerfd_settime(migration->event_fd, 0, &timer, NULL);
}

int vm_migration_init(struct vm_migration *migration, const struct gw_vm *vm, struct gw_error *e)
{
	*migration = (struct vm_migration){ .vm = vm };
	migration->event_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (migration->event_fd < 0)
		return gw_error_set(e, -errno, "", "no timer to be had: %s", strerror(errno));
	return 0;
}

/* The arbiter last: it outlives whoever borrows it. */
static void free_all(struct vm_migration *migration)
{
	gw_source_free(migration->source);
	gw_destination_free(migration->destination);
	gw_arbiter_close(migration->arbiter);
	migration->source = NULL;
	migration->destination = NULL;
	migration->arbiter = NULL;
}

void vm_migration_fini(struct vm_migration *migration)
{
	free_all(migration);
	if (migration->event_fd >= 0)
		close(migration->event_fd);
	migration->event_fd = -1;
}

static int open_arbiter(struct vm_migration *migration, struct gw_limits *limits, const char *uri, struct gw_error *e)
{
	int ret = uri ? gw_arbiter_open(&migration->arbiter, uri, e) : 0;

	limits->arbiter = migration->arbiter;
	return ret;
}

/* An arbiter that cannot be used is better known now than when a source comes. */
static int listen_at(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
		     struct gw_error *e)
{
	int ret = migration->arbiter ? gw_arbiter_check(migration->arbiter, e) : 0;

	if (!ret)
		ret = gw_destination_new(&migration->destination, migration->vm, limits, e);
	return ret ? ret : gw_destination_start(migration->destination, uri, e);
}

int vm_migration_listen(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
			const char *arbiter_uri, struct gw_error *e)
{
	struct gw_limits mine = *limits;
	int ret = open_arbiter(migration, &mine, arbiter_uri, e);

	if (!ret)
		ret = listen_at(migration, uri, &mine, e);
	if (ret) {
		free_all(migration);
		return ret;
	}
	migration->state = VM_INCOMING;
	set_timer(migration, TICK_NS);
	return 0;
}

int vm_migration_start(struct vm_migration *migration, const char *uri, const struct gw_limits *limits,
		       const char *arbiter_uri, struct gw_error *e)
{
	struct gw_limits mine = *limits;
	int ret;

	if (migration->state != VM_RUNNING)
		return gw_error_set(e, -EBUSY, "", "only a running guest can migrate, this VM is \"%s\"",
				    vm_state_name(vm_migration_state(migration)));
	free_all(migration); /* what brought the guest here */
	ret = open_arbiter(migration, &mine, arbiter_uri, e);
	if (!ret)
		ret = gw_source_new(&migration->source, migration->vm, &mine, e);
	if (!ret)
		ret = gw_source_start(migration->source, uri, e);
	if (ret) {
		free_all(migration);
		return ret;
	}
	migration->state = VM_MIGRATING;
	set_timer(migration, TICK_NS);
	return 0;
}

void vm_migration_fail(struct vm_migration *migration, const struct gw_error *why)
{
	if (migration->source)
		gw_source_fail(migration->source, why);
}

int vm_migration_cancel(struct vm_migration *migration, struct gw_error *e)
{
	int ret;

	if (migration->state != VM_MIGRATING && migration->state != VM_INCOMING)
		return gw_error_set(e, -ENOENT, "", "no migration is on");
	ret = migration->source ? gw_source_cancel(migration->source) : gw_destination_cancel(migration->destination);
	if (ret == -EALREADY)
		return gw_error_set(e, ret, "", "too late: the migration can no longer be taken back from here");
	return ret ? gw_error_set(e, ret, "", "it cannot be cancelled: %s", strerror(-ret)) : 0;
}

/* An undecided migration is kept: it is the library that asks the arbiter, takes the guest back or over. */
static void note_end(struct vm_migration *migration)
{
	const enum vm_state *ends = migration->source ? source_ends : destination_ends;

	migration->side = migration->source ? GW_SIDE_SOURCE : GW_SIDE_DESTINATION;
	migration->report = *(migration->source ? gw_source_report(migration->source)
						: gw_destination_report(migration->destination));
	migration->state = ends[migration->report.outcome];
	if (migration->state == VM_OWNER_UNKNOWN)
		return;
	set_timer(migration, 0);
	if (migration->source)
		free_all(migration);
}

/* What the library says, against what this VM knows. */
static bool has_ended(const struct vm_migration *migration, const struct gw_progress *progress)
{
	if (migration->state == VM_OWNER_UNKNOWN)
		return progress->outcome != GW_OWNER_UNKNOWN;
	return progress->outcome != GW_OUTCOME_NONE;
}

/* Every 100 ms, and whenever it has got on: the phases around the switchover are short. */
static bool is_worth_telling(struct vm_migration *migration, const struct gw_progress *progress, uint64_t ticks)
{
	bool same = !strcmp(migration->phase, progress->phase);

	migration->ticks += ticks;
	if (same && migration->ticks < PROGRESS_TICKS)
		return false;
	migration->ticks = 0;
	memcpy(migration->phase, progress->phase, sizeof(migration->phase));
	return true;
}

enum vm_migration_news vm_migration_poll(struct vm_migration *migration)
{
	struct gw_progress progress;
	enum vm_state state;
	uint64_t ticks;

	if (read(migration->event_fd, &ticks, sizeof(ticks)) != sizeof(ticks))
		return VM_NEWS_NONE;
	vm_migration_progress(migration, &progress);
	if (has_ended(migration, &progress)) {
		note_end(migration);
		return VM_NEWS_ENDED;
	}
	state = vm_migration_state(migration);
	if (state != VM_MIGRATING && state != VM_RECEIVING)
		return VM_NEWS_NONE;
	return is_worth_telling(migration, &progress, ticks) ? VM_NEWS_PROGRESS : VM_NEWS_NONE;
}

static const char *claimant(const struct gw_handover *handover)
{
	return handover->claimed_by == GW_SIDE_SOURCE ? "source" : "destination";
}

int vm_migration_check_undecided(const struct vm_migration *migration, struct gw_error *e)
{
	const struct gw_handover *handover = &migration->report.handover;
	const char *state = vm_state_name(vm_migration_state(migration));

	if (migration->state == VM_OWNER_UNKNOWN)
		return 0;
	if (handover->arbiter && handover->claimed_by)
		return gw_error_set(e, -EPROTO, "",
				    "there is nothing to decide, this VM is \"%s\": the arbiter named the %s", state,
				    claimant(handover));
	return gw_error_set(e, -EPROTO, "", "there is nothing to decide, this VM is \"%s\"", state);
}

int vm_migration_take(struct vm_migration *migration, struct gw_error *e)
{
	int ret = vm_migration_check_undecided(migration, e);

	if (!ret)
		ret = migration->source ? gw_source_take_back(migration->source, e)
					: gw_destination_take_over(migration->destination, e);
	if (ret)
		return ret;
	note_end(migration);
	if (migration->state == VM_RUNNING)
		return 0;
	return gw_error_set(e, -ECANCELED, "arbiter", "it says that the %s has the guest: it is not run here",
			    migration->side == GW_SIDE_SOURCE ? "destination" : "source");
}

int vm_migration_give_up(struct vm_migration *migration, struct gw_error *e)
{
	int ret = vm_migration_check_undecided(migration, e);

	if (ret)
		return ret;
	if (migration->source) {
		migration->state = VM_MOVED;
		set_timer(migration, 0);
		free_all(migration);
		return 0;
	}
	if (gw_destination_cancel(migration->destination))
		return gw_error_set(
			e, -EIO, "arbiter",
			"it could not be told that the guest was given up, so the guest is held on; ask again, "
			"or end this VM");
	note_end(migration);
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
	if (migration->state != VM_INCOMING && migration->state != VM_OWNER_UNKNOWN)
		return NULL;
	return migration->destination ? gw_destination_uri(migration->destination) : NULL;
}
