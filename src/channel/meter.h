/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How many bytes went by, and how fast of late: totals in slots of 100 ms, of which the last second's count. Any
 * thread.
 */
#ifndef CHANNEL_METER_H
#define CHANNEL_METER_H

#include "base/clock.h"

#include <pthread.h>
#include <stdint.h>

#define METER_SLOT_NS  (100 * NS_PER_MS)
#define METER_NR_SLOTS 11 /* ten whole ones and the one being filled */

struct meter {
	pthread_mutex_t lock;
	const struct clock *clock;
	uint64_t total;
	uint64_t first_ns;  /* of the first bytes; before them there is no rate */
	uint64_t last_slot; /* number of the slot being filled: its time / METER_SLOT_NS */
	uint64_t slots[METER_NR_SLOTS];
};

void meter_init(struct meter *meter, const struct clock *clock);
void meter_fini(struct meter *meter);

void meter_add(struct meter *meter, uint64_t bytes); /* now, by the meter's clock */
uint64_t meter_total(struct meter *meter);

/* Bytes/s over the last second, or since the first bytes if that is less; now_ns is of the meter's clock. */
uint64_t meter_rate(struct meter *meter, uint64_t now_ns);

#endif
