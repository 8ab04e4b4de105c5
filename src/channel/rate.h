/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bandwidth limit, one for all channels: a token bucket of 20 ms of the rate. Whoever asks gets the next free
 * piece of time on the line, in the order of asking, so no channel starves another. Any thread.
 */
#ifndef CHANNEL_RATE_H
#define CHANNEL_RATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define RATE_BURST_NS 20000000ull

struct rate {
	pthread_mutex_t lock;
	pthread_cond_t closing;
	uint64_t bytes_per_s; /* 0: no limit */
	uint64_t free_ns;     /* when all that was taken so far will have gone through at this rate */
	bool closed;
};

void rate_init(struct rate *rate, uint64_t bytes_per_s);
void rate_fini(struct rate *rate); /* no thread may be using it */

/* Waits for its turn; a piece larger than the bucket goes at once and those behind it wait. 0 or -ECANCELED. */
int rate_take(struct rate *rate, uint64_t bytes);

/* When the line will be free, from now; before 0: since when it is idle. 0: no limit. */
int64_t rate_line_ns(struct rate *rate);

void rate_close(struct rate *rate); /* every take, now waiting or later, returns -ECANCELED */

#endif
