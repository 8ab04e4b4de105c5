/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A worker: one thread that runs jobs in order, and between jobs, while it has nothing asked of it, its idle
 * function (a device's state streams there). Each job ends with a note. A worker is stopped by closing it.
 */
#ifndef SESSION_WORKER_H
#define SESSION_WORKER_H

#include "session/note.h"

#include <pthread.h>
#include <stdbool.h>

struct job {
	struct note note; /* posted when the job is over */
	int (*run)(void *ctx, struct gw_error *e);
	void *ctx;
	struct job *next;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct job *first, *last;
	/* Called without the lock; returns when it wants to be called again: 0 at once, DEADLINE_NEVER after a kick. */
	uint64_t (*idle)(void *ctx);
	void *ctx;
	struct queue *mailbox;
	bool started, closed, kicked;
};

/* idle may be NULL. 0 or -errno. A zeroed worker may be stopped and kicked. */
int worker_start(struct worker *worker, const char *name, struct queue *mailbox, uint64_t (*idle)(void *), void *ctx);

/* Queues a job for action; the job must not be queued already. NOTE_PART_DONE of that action will follow. */
void worker_post(struct worker *worker, struct job *job, enum action_type action,
		 int (*run)(void *ctx, struct gw_error *e), void *ctx);

/* The idle function is wanted again. Any thread. */
void worker_kick(struct worker *worker);

/* Ends the job at hand, runs those queued before, joins. Any state. */
void worker_stop(struct worker *worker);

#endif
