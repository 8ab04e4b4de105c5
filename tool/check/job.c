/* SPDX-License-Identifier: BSD-3-Clause */
/* A device under test and its thread: see job.h. What both threads touch is under the lock. */
#include "job.h"

#include "tool/device_json.h"
#include "tool/now.h"
#include "tool/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_side(void *ctx, struct gw_device **dev, uint32_t flags, struct gw_error *e)
{
	struct job_side *side = ctx;

	return device_access_open(side->access, dev, side->id, side->uri, side->flags | flags, e);
}

static void wake(const struct job *job)
{
	uint64_t one = 1;

	(void)!write(job->wake_fd, &one, sizeof(one));
}

static void rule_began(struct run *run, const struct rule *rule)
{
	struct job *job = run->ctx;

	pthread_mutex_lock(&job->lock);
	job->under_way = rule;
	job->since_ns = now_ns();
	pthread_mutex_unlock(&job->lock);
	wake(job);
}

static void rule_ended(struct run *run, const struct outcome *outcome)
{
	struct job *job = run->ctx;

	pthread_mutex_lock(&job->lock);
	job->under_way = NULL;
	job->outcomes[job->nr_outcomes++] = *outcome; /* there is room for one of each rule */
	pthread_mutex_unlock(&job->lock);
	wake(job);
}

int job_open(struct job *job, struct gw_error *e)
{
	int ret;

	pthread_mutex_init(&job->lock, NULL);
	job->run.opener = (struct opener){ .open = open_side, .ctx = &job->device };
	if (job->peer.uri)
		job->run.peer_opener = (struct opener){ .open = open_side, .ctx = &job->peer };
	job->run.began = rule_began;
	job->run.ended = rule_ended;
	job->run.ctx = job;
	job->about = json_object();
	ret = run_open(&job->run, e);
	if (ret)
		return ret;
	if (!job->run.info.migration_flags)
		return gw_error_set(e, -ENOTSUP, job->device.uri,
				    "the device cannot migrate: there is nothing to check");
	job->outcomes = calloc(job->run.rules.nr + 1, sizeof(*job->outcomes));
	if (!job->outcomes)
		return gw_error_set(e, -ENOMEM, job->device.uri, "out of memory");
	return device_json_fill(job->about, job->run.dev, e);
}

static void *work(void *data)
{
	struct job *job = data;

	run_rules(&job->run);
	pthread_mutex_lock(&job->lock);
	job->ended = true;
	pthread_mutex_unlock(&job->lock);
	wake(job);
	return NULL;
}

int job_start(struct job *job, struct gw_error *e)
{
	int ret = pthread_create(&job->thread, NULL, work, job);

	job->started = !ret;
	return ret ? gw_error_set(e, -ret, job->device.uri, "cannot start a thread: %s", strerror(ret)) : 0;
}

void job_join(struct job *job)
{
	if (job->started)
		pthread_join(job->thread, NULL);
	job->started = false;
}

void job_close(struct job *job)
{
	run_close(&job->run);
	json_decref(job->about);
	free(job->outcomes);
	pthread_mutex_destroy(&job->lock);
}

unsigned job_outcomes(struct job *job, bool *ended)
{
	unsigned nr;

	pthread_mutex_lock(&job->lock);
	nr = job->nr_outcomes;
	*ended = job->ended;
	pthread_mutex_unlock(&job->lock);
	return nr;
}

const struct rule *job_slow(struct job *job, uint64_t limit_ns, uint64_t *took_ns)
{
	const struct rule *rule;

	pthread_mutex_lock(&job->lock);
	rule = job->under_way;
	*took_ns = rule ? now_ns() - job->since_ns : 0;
	pthread_mutex_unlock(&job->lock);
	return *took_ns >= limit_ns ? rule : NULL;
}

enum judged job_judged(const struct job *job, const struct outcome *outcome)
{
	bool known = known_why(job->known, outcome->rule->name);

	if (outcome->verdict == VERDICT_SKIP)
		return JUDGED_SKIPPED;
	if (outcome->verdict == VERDICT_PASS)
		return known ? JUDGED_PASSES_NOW : JUDGED_PASSED;
	return known ? JUDGED_KNOWN : JUDGED_FAILED;
}

struct job_count job_count(struct job *job)
{
	struct job_count count = { 0 };

	for (unsigned i = 0; i < job->nr_outcomes; i++) {
		count.nr[job_judged(job, &job->outcomes[i])]++;
		count.took_ns += job->outcomes[i].took_ns;
	}
	return count;
}
