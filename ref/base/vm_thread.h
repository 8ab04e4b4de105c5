/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads of the reference VM: named, all signals blocked (signals are the program's); and the clock they wait by. */
#ifndef REF_VM_THREAD_H
#define REF_VM_THREAD_H

#include <pthread.h>
#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

/* 0 or -errno. */
int vm_thread_start(pthread_t *thread, const char *name, void *(*run)(void *arg), void *arg);

/* CLOCK_MONOTONIC, also that of the conditions below. */
uint64_t vm_thread_now_ns(void);

void vm_thread_cond_init(pthread_cond_t *cond);
void vm_thread_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t deadline_ns);

#endif
