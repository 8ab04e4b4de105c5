/* SPDX-License-Identifier: BSD-3-Clause */
/* The main thread of a run: see watch.h. */
#include "watch.h"

#include "tap.h"
#include "tool/command.h"
#include "tool/say.h"
#include "tool/stop_signals.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK_EVERY_MS 200

/* Where the telling has come to: jobs are told of one after the other. */
struct told {
	unsigned job, nr_outcomes;
};

/* A device that is one of several has a number. */
static unsigned number_of(const struct watch *watch, unsigned job)
{
	return watch->nr_jobs > 1 ? job + 1 : 0;
}

static void clear_progress(const struct watch *watch)
{
	if (watch->shows_progress)
		fputs("\r\033[K", stderr);
}

static void show_progress(const struct watch *watch)
{
	unsigned done = 0, all = 0;
	const struct rule *rule = NULL;
	uint64_t took_ns;

	if (!watch->shows_progress)
		return;
	for (unsigned i = 0; i < watch->nr_jobs; i++) {
		bool ended;

		done += job_outcomes(&watch->jobs[i], &ended);
		all += watch->jobs[i].run.rules.nr;
		if (!rule)
			rule = job_slow(&watch->jobs[i], 0, &took_ns);
	}
	fprintf(stderr, "\r\033[K%u/%u %s", done, all, rule ? rule->name : "");
	fflush(stderr);
}

/* What is new of the job that is being told of, and of those after it that have become due. */
static bool tell(const struct watch *watch, struct told *told)
{
	while (told->job < watch->nr_jobs) {
		struct job *job = &watch->jobs[told->job];
		unsigned number = number_of(watch, told->job), nr;
		bool ended;

		nr = job_outcomes(job, &ended);
		for (; watch->tap && told->nr_outcomes < nr; told->nr_outcomes++)
			tap_outcome(watch->tap, job, number, &job->outcomes[told->nr_outcomes], told->nr_outcomes + 1);
		if (!ended)
			return false;
		job_join(job);
		if (watch->tap)
			tap_end_job(watch->tap, job, number);
		told->job++;
		told->nr_outcomes = 0;
		if (watch->tap && told->job < watch->nr_jobs)
			tap_begin_job(watch->tap, &watch->jobs[told->job], number_of(watch, told->job));
	}
	return true;
}

/* Once for each such time: a call to a kernel device has no end of its own. */
static void say_slow(const struct watch *watch, struct job *job)
{
	uint64_t took_ns;
	const struct rule *rule = job_slow(job, watch->slow_ns, &took_ns);

	if (rule != job->slow) {
		job->slow = rule;
		job->next_slow_ns = 0;
	}
	if (!rule || took_ns < job->next_slow_ns)
		return;
	job->next_slow_ns = took_ns + watch->slow_ns;
	clear_progress(watch);
	say("%s: %s has been under way for %.1f s. A vfio-user server has 30 s to answer, 120 s for a change of state; "
	    "a call to the kernel has no limit",
	    job->device.uri, rule->name, (double)took_ns / 1e9);
}

static void hear_signal(const struct watch *watch, bool *stopping)
{
	uint64_t one = 1;

	if (!stop_signals_take(watch->signals_fd))
		return;
	clear_progress(watch);
	if (*stopping) {
		say("ended in the middle of a rule: the device is left as it is");
		fflush(stdout);
		_exit(EXIT_FAILED);
	}
	*stopping = true;
	say("stopping after the rule that is under way (once more: at once)");
	(void)!write(watch->stop_fd, &one, sizeof(one));
}

void watch_jobs(struct watch *watch)
{
	struct pollfd pfds[] = {
		{ .fd = watch->signals_fd, .events = POLLIN },
		{ .fd = watch->wake_fd, .events = POLLIN },
	};
	struct told told = { 0 };
	bool stopping = false;
	uint64_t count;

	if (watch->tap)
		tap_begin_job(watch->tap, &watch->jobs[0], number_of(watch, 0));
	for (;;) {
		poll(pfds, 2, LOOK_EVERY_MS);
		(void)!read(watch->wake_fd, &count, sizeof(count));
		hear_signal(watch, &stopping);
		for (unsigned i = 0; i < watch->nr_jobs; i++)
			say_slow(watch, &watch->jobs[i]);
		clear_progress(watch);
		if (tell(watch, &told))
			return;
		show_progress(watch);
	}
}
