/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bandwidth limit as time on a line: who takes bytes reserves the next free piece of it and waits until that
 * begins. A line that was idle is free up to a burst ago, so so much goes at once.
 */
#include "channel/rate.h"

#include "base/clock.h"
#include "base/thread.h"

#include <errno.h>

void rate_init(struct rate *rate, uint64_t bytes_per_s)
{
	*rate = (struct rate){ .bytes_per_s = bytes_per_s };
	pthread_mutex_init(&rate->lock, NULL);
	thread_cond_init(&rate->closing);
}

void rate_fini(struct rate *rate)
{
	pthread_cond_destroy(&rate->closing);
	pthread_mutex_destroy(&rate->lock);
}

/* With the lock held: when the piece of the line begins that is now reserved. */
static uint64_t reserve(struct rate *rate, uint64_t bytes)
{
	uint64_t now = clock_now_ns(&clock_monotonic);
	uint64_t begin;

	if (!rate->bytes_per_s)
		return 0;
	if (rate->free_ns + RATE_BURST_NS < now)
		rate->free_ns = now - RATE_BURST_NS;
	begin = rate->free_ns;
	rate->free_ns += (uint64_t)((unsigned __int128)bytes * NS_PER_S / rate->bytes_per_s);
	return begin;
}

int rate_take(struct rate *rate, uint64_t bytes)
{
	uint64_t begin;
	int ret = 0;

	pthread_mutex_lock(&rate->lock);
	begin = reserve(rate, bytes);
	while (!rate->closed && ret != -ETIMEDOUT && begin > clock_now_ns(&clock_monotonic))
		ret = thread_cond_wait_until(&rate->closing, &rate->lock, begin);
	ret = rate->closed ? -ECANCELED : 0;
	pthread_mutex_unlock(&rate->lock);
	return ret;
}

int64_t rate_line_ns(struct rate *rate)
{
	int64_t line_ns = 0;

	pthread_mutex_lock(&rate->lock);
	if (rate->bytes_per_s)
		line_ns = (int64_t)(rate->free_ns - clock_now_ns(&clock_monotonic));
	pthread_mutex_unlock(&rate->lock);
	return line_ns;
}

void rate_close(struct rate *rate)
{
	pthread_mutex_lock(&rate->lock);
	rate->closed = true;
	pthread_cond_broadcast(&rate->closing);
	pthread_mutex_unlock(&rate->lock);
}
