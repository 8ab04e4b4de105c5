/* SPDX-License-Identifier: BSD-3-Clause */
/* Starting threads with every signal blocked, and waiting with a deadline. */
#include "base/thread.h"

#include "base/clock.h"

#include <signal.h>
#include <time.h>

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg)
{
	sigset_t all, old;
	char kept[16] = { 0 };
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret)
		return -ret;
	for (unsigned i = 0; i < sizeof(kept) - 1 && name[i]; i++)
		kept[i] = name[i];
	pthread_setname_np(*thread, kept);
	return 0;
}

void thread_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

int thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns)
{
	struct timespec ts = { .tv_sec = (time_t)(deadline_ns / NS_PER_S), .tv_nsec = (long)(deadline_ns % NS_PER_S) };

	if (deadline_ns == DEADLINE_NEVER)
		return -pthread_cond_wait(cond, lock);
	return -pthread_cond_timedwait(cond, lock, &ts);
}
