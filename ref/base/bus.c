/* SPDX-License-Identifier: BSD-3-Clause */
/* Who answers at an address: ranges in rising order, searched by halves, under a lock that accesses share. */
#include "ref/base/bus.h"

#include <errno.h>
#include <string.h>

void bus_init(struct bus *bus)
{
	pthread_rwlockattr_t attr;

	/* glibc's default lets vCPUs that hammer a device keep a BAR from moving for ever. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&bus->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	bus->nr = 0;
}

void bus_fini(struct bus *bus)
{
	pthread_rwlock_destroy(&bus->lock);
}

/* How many ranges begin at or below it. */
static uint32_t nr_up_to(const struct bus *bus, uint64_t at)
{
	uint32_t low = 0, high = bus->nr;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (bus->ranges[middle].base <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static const struct bus_range *range_at(const struct bus *bus, uint64_t at)
{
	uint32_t nr = nr_up_to(bus, at);
	const struct bus_range *range = nr ? &bus->ranges[nr - 1] : NULL;

	return range && at - range->base < range->size_bytes ? range : NULL;
}

static int insert(struct bus *bus, const struct bus_range *range)
{
	uint64_t last = range->base + (range->size_bytes - 1);
	uint32_t at = nr_up_to(bus, range->base);

	if (!range->size_bytes || last < range->base)
		return -EINVAL;
	if (range_at(bus, range->base) || nr_up_to(bus, last) != at)
		return -EEXIST;
	if (bus->nr == BUS_MAX_RANGES)
		return -ENOSPC;
	memmove(&bus->ranges[at + 1], &bus->ranges[at], (bus->nr - at) * sizeof(*range));
	bus->ranges[at] = *range;
	bus->nr++;
	return 0;
}

int bus_add(struct bus *bus, uint64_t base, uint64_t size_bytes, const struct bus_ops *ops, void *ctx)
{
	struct bus_range range = { base, size_bytes, ops, ctx };
	int ret;

	pthread_rwlock_wrlock(&bus->lock);
	ret = insert(bus, &range);
	pthread_rwlock_unlock(&bus->lock);
	return ret;
}

void bus_remove(struct bus *bus, uint64_t base)
{
	uint32_t nr;

	pthread_rwlock_wrlock(&bus->lock);
	nr = nr_up_to(bus, base);
	if (nr && bus->ranges[nr - 1].base == base) {
		memmove(&bus->ranges[nr - 1], &bus->ranges[nr], (bus->nr - nr) * sizeof(bus->ranges[0]));
		bus->nr--;
	}
	pthread_rwlock_unlock(&bus->lock);
}

/* What no range has as a whole goes byte by byte to the range it begins in; beyond its end is nobody. */
static int is_whole(const struct bus_range *range, uint64_t offset, uint32_t size_bytes)
{
	return range->size_bytes - offset >= size_bytes &&
	       (size_bytes == 1 || size_bytes == 2 || size_bytes == 4 || size_bytes == 8);
}

void bus_read(struct bus *bus, uint64_t at, void *data, uint32_t size_bytes)
{
	const struct bus_range *range;
	uint64_t offset;

	memset(data, 0xff, size_bytes);
	pthread_rwlock_rdlock(&bus->lock);
	range = range_at(bus, at);
	offset = range ? at - range->base : 0;
	if (range && is_whole(range, offset, size_bytes))
		range->ops->read(range->ctx, offset, data, size_bytes);
	else if (range)
		for (uint32_t i = 0; i < size_bytes && offset + i < range->size_bytes; i++)
			range->ops->read(range->ctx, offset + i, (uint8_t *)data + i, 1);
	pthread_rwlock_unlock(&bus->lock);
}

void bus_write(struct bus *bus, uint64_t at, const void *data, uint32_t size_bytes)
{
	const struct bus_range *range;
	uint64_t offset;

	pthread_rwlock_rdlock(&bus->lock);
	range = range_at(bus, at);
	offset = range ? at - range->base : 0;
	if (range && is_whole(range, offset, size_bytes))
		range->ops->write(range->ctx, offset, data, size_bytes);
	else if (range)
		for (uint32_t i = 0; i < size_bytes && offset + i < range->size_bytes; i++)
			range->ops->write(range->ctx, offset + i, (const uint8_t *)data + i, 1);
	pthread_rwlock_unlock(&bus->lock);
}
