/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who answers at an address: one bus of ports, one of memory. Reads where nobody answers give ones, writes go nowhere,
 * as on a PC; that is also for what of an access is beyond the range that it begins in. vCPUs access it beside each
 * other; ranges come and go while they do (a BAR that moves).
 */
#ifndef REF_BASE_BUS_H
#define REF_BASE_BUS_H

#include <pthread.h>
#include <stdint.h>

#define BUS_MAX_RANGES 256

/* offset: within the range; 1, 2, 4 or 8 bytes, never beyond the range's end. Any vCPU's thread, several at once. */
struct bus_ops {
	void (*read)(void *ctx, uint64_t offset, void *data, uint32_t size_bytes);
	void (*write)(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes);
};

struct bus_range {
	uint64_t base;
	uint64_t size_bytes;
	const struct bus_ops *ops;
	void *ctx;
};

struct bus {
	pthread_rwlock_t lock;
	uint32_t nr;
	struct bus_range ranges[BUS_MAX_RANGES]; /* rising, without overlap */
};

void bus_init(struct bus *bus);
void bus_fini(struct bus *bus);

/* -EEXIST: it overlaps another; -EINVAL: it is empty or wraps; -ENOSPC. Not from within an access on the same bus. */
int bus_add(struct bus *bus, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops, void *ctx);
void bus_remove(struct bus *bus, uint64_t base); /* nobody there is fine; when it returns none of its accesses is on */

void bus_read(struct bus *bus, uint64_t at, void *data, uint32_t size_bytes);
void bus_write(struct bus *bus, uint64_t at, const void *data, uint32_t size_bytes);

#endif
