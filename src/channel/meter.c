/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes by slots of time, a ring of them under one lock. */
#include "channel/meter.h"

#include "base/bits.h"

#include <string.h>

#define WINDOW_SLOTS (METER_NR_SLOTS - 1)

void meter_init(struct meter *meter, const struct clock *clock)
{
	*meter = (struct meter){ .clock = clock };
	pthread_mutex_init(&meter->lock, NULL);
}

void meter_fini(struct meter *meter)
{
	pthread_mutex_destroy(&meter->lock);
}

/* With the lock held: empties the slots that now_ns has come to. A time before the last slot counts as in it. */
static void advance(struct meter *meter, uint64_t now_ns)
{
	uint64_t slot = now_ns / METER_SLOT_NS;

	if (slot > meter->last_slot + METER_NR_SLOTS) {
		memset(meter->slots, 0, sizeof(meter->slots));
		meter->last_slot = slot;
	}
	while (meter->last_slot < slot)
		meter->slots[++meter->last_slot % METER_NR_SLOTS] = 0;
}

void meter_add(struct meter *meter, uint64_t bytes)
{
	uint64_t now_ns = clock_now_ns(meter->clock);

	pthread_mutex_lock(&meter->lock);
	advance(meter, now_ns);
	if (!meter->total)
		meter->first_ns = now_ns;
	meter->total += bytes;
	meter->slots[meter->last_slot % METER_NR_SLOTS] += bytes;
	pthread_mutex_unlock(&meter->lock);
}

uint64_t meter_total(struct meter *meter)
{
	uint64_t total;

	pthread_mutex_lock(&meter->lock);
	total = meter->total;
	pthread_mutex_unlock(&meter->lock);
	return total;
}

uint64_t meter_rate(struct meter *meter, uint64_t now_ns)
{
	uint64_t bytes = 0, since, ns;

	pthread_mutex_lock(&meter->lock);
	advance(meter, now_ns);
	for (unsigned i = 0; i < METER_NR_SLOTS; i++)
		bytes += meter->slots[i];
	since = meter->last_slot > WINDOW_SLOTS ? (meter->last_slot - WINDOW_SLOTS) * METER_SLOT_NS : 0;
	since = max_u64(since, meter->first_ns);
	pthread_mutex_unlock(&meter->lock);

	/* At least a millisecond: the first bytes alone make no rate. */
	ns = now_ns > since + NS_PER_MS ? now_ns - since : NS_PER_MS;
	return (uint64_t)((unsigned __int128)bytes * NS_PER_S / ns);
}
