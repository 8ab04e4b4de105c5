/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of the library: named, all signals blocked (signals are the program's), joined by their owner. And
 * conditions that wait until a deadline of clock_monotonic.
 */
#ifndef BASE_THREAD_H
#define BASE_THREAD_H

#include <pthread.h>
#include <stdint.h>

/* Starts a named thread (15 bytes of name are kept). 0 or -errno. */
int thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);

void thread_cond_init(pthread_cond_t *cond);

/* 0: woken; -ETIMEDOUT: the deadline has passed. DEADLINE_NEVER is allowed. */
int thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

#endif
