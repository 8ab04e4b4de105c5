/* SPDX-License-Identifier: BSD-3-Clause */
/* An arbiter for one migration, in memory: exactly one side is told that the guest is its own. */
#ifndef TEST_FAKE_ARBITER_H
#define TEST_FAKE_ARBITER_H

#include <godwit/arbiter.h>
#include <pthread.h>

struct fake_arbiter {
	pthread_mutex_t lock;
	enum gw_side owner; /* 0: nobody yet */
	int told_source;    /* that it is the destination's: nothing can be given back any more */
	int away;           /* so many claims are not answered */
	struct gw_arbiter *arbiter;
};

void fake_arbiter_open(struct fake_arbiter *fake);
void fake_arbiter_close(struct fake_arbiter *fake);

#endif
