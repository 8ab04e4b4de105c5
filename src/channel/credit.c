/* SPDX-License-Identifier: BSD-3-Clause */
/* Credit: one number under a lock, and a condition for those who wait for more. */
#include "channel/credit.h"

#include "base/bits.h"
#include "base/thread.h"

#include <errno.h>

void credit_init(struct credit *credit, uint64_t window_bytes)
{
	*credit = (struct credit){ .window = window_bytes, .available = window_bytes };
	pthread_mutex_init(&credit->lock, NULL);
	thread_cond_init(&credit->changed);
}

void credit_fini(struct credit *credit)
{
	pthread_cond_destroy(&credit->changed);
	pthread_mutex_destroy(&credit->lock);
}

int credit_take(struct credit *credit, uint64_t bytes)
{
	int ret = 0;

	if (bytes > credit->window)
		return -EMSGSIZE;
	pthread_mutex_lock(&credit->lock);
	while (!credit->closed && credit->available < bytes)
		pthread_cond_wait(&credit->changed, &credit->lock);
	if (credit->closed)
		ret = -ECANCELED;
	else
		credit->available -= bytes;
	pthread_mutex_unlock(&credit->lock);
	return ret;
}

int64_t credit_try_take(struct credit *credit, uint64_t bytes)
{
	int64_t taken = -ECANCELED;

	pthread_mutex_lock(&credit->lock);
	if (!credit->closed) {
		taken = (int64_t)min_u64(min_u64(bytes, credit->available), INT64_MAX);
		credit->available -= (uint64_t)taken;
	}
	pthread_mutex_unlock(&credit->lock);
	return taken;
}

int credit_grant(struct credit *credit, uint64_t bytes)
{
	int ret = 0;

	pthread_mutex_lock(&credit->lock);
	if (bytes > credit->window - credit->available)
		ret = -EPROTO;
	else
		credit->available += bytes;
	pthread_cond_broadcast(&credit->changed);
	pthread_mutex_unlock(&credit->lock);
	return ret;
}

uint64_t credit_available(struct credit *credit)
{
	uint64_t available;

	pthread_mutex_lock(&credit->lock);
	available = credit->available;
	pthread_mutex_unlock(&credit->lock);
	return available;
}

void credit_close(struct credit *credit)
{
	pthread_mutex_lock(&credit->lock);
	credit->closed = true;
	pthread_cond_broadcast(&credit->changed);
	pthread_mutex_unlock(&credit->lock);
}
