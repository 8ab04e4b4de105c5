/* SPDX-License-Identifier: BSD-3-Clause */
/* The loop of a worker: jobs first, then the idle function, then sleep. */
#include "session/worker.h"

#include "base/thread.h"

/* The next job; NULL: none now, *end says whether there will be more. Sleeps until there is something to do. */
static struct job *next_job(struct worker *worker, uint64_t idle_at_ns, bool *end)
{
	struct job *job;

	pthread_mutex_lock(&worker->lock);
	while (!worker->first && !worker->closed && !worker->kicked)
		if (thread_cond_wait_until(&worker->changed, &worker->lock, idle_at_ns))
			break;
	worker->kicked = false;
	job = worker->first;
	if (job)
		worker->first = job->next;
	*end = !job && worker->closed;
	pthread_mutex_unlock(&worker->lock);
	return job;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	uint64_t idle_at_ns = 0;
	bool end = false;

	while (!end) {
		struct job *job = next_job(worker, idle_at_ns, &end);

		if (job) {
			int ret = job->run(job->ctx, &job->note.error);

			if (ret < 0 && !job->note.error.code)
				job->note.error.code = ret;
			note_post(worker->mailbox, &job->note);
			idle_at_ns = 0;
		} else if (!end) {
			idle_at_ns = worker->idle ? worker->idle(worker->ctx) : DEADLINE_NEVER;
		}
	}
	return NULL;
}

int worker_start(struct worker *worker, const char *name, struct queue *mailbox, uint64_t (*idle)(void *), void *ctx)
{
	int ret;

	*worker = (struct worker){ .mailbox = mailbox, .idle = idle, .ctx = ctx };
	pthread_mutex_init(&worker->lock, NULL);
	thread_cond_init(&worker->changed);
	ret = thread_start(&worker->thread, name, work, worker);
	worker->started = !ret;
	return ret;
}

void worker_post(struct worker *worker, struct job *job, enum action_type action,
		 int (*run)(void *ctx, struct gw_error *e), void *ctx)
{
	*job = (struct job){ .note = { .type = NOTE_PART_DONE, .action = action }, .run = run, .ctx = ctx };
	pthread_mutex_lock(&worker->lock);
	if (worker->first)
		worker->last->next = job;
	else
		worker->first = job;
	worker->last = job;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

void worker_kick(struct worker *worker)
{
	if (!worker->started)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->kicked = true;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

void worker_stop(struct worker *worker)
{
	if (!worker->started)
		return;
	pthread_mutex_lock(&worker->lock);
	worker->closed = true;
	pthread_cond_signal(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->lock);
	worker->started = false;
}
