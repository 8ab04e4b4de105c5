/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Credit: how many bytes of a device's state may still be put on the way. It starts at the window that the
 * destination offered; sending takes from it, the destination's GRANT puts back what was loaded. Any thread.
 */
#ifndef CHANNEL_CREDIT_H
#define CHANNEL_CREDIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct credit {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t window;
	uint64_t available; /* at most window */
	bool closed;
};

void credit_init(struct credit *credit, uint64_t window_bytes);
void credit_fini(struct credit *credit); /* no thread may be using it */

/* Waits until all of bytes is there and takes it. 0, -ECANCELED (closed), -EMSGSIZE (more than the window). */
int credit_take(struct credit *credit, uint64_t bytes);

/* Does not wait: takes as much as is there, up to bytes. Returns how much (0: nothing now), or -ECANCELED. */
int64_t credit_try_take(struct credit *credit, uint64_t bytes);

/* Puts back. -EPROTO, and nothing changed: more than was taken. */
int credit_grant(struct credit *credit, uint64_t bytes);

uint64_t credit_available(struct credit *credit);

void credit_close(struct credit *credit);

#endif
