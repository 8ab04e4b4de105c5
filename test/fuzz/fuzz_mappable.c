/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: the answer of a device to "where can this region be mapped". Input: u64 from, then the answer. What is
 * taken must lie in the region, after `from`, and be something that mmap could be asked for; and asking on ends.
 */
#include "fuzz.h"

#include "device/mappable.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_AT (2 * sizeof(uint64_t)) /* of the region, in the answer */

static void check_map(const struct gw_region_map *map, const uint8_t *info, uint64_t from)
{
	uint64_t size;

	memcpy(&size, info + SIZE_AT, sizeof(size));
	fuzz_check(map->fd == -1 && map->size_bytes && map->region_offset >= from);
	fuzz_check(map->size_bytes <= size && map->region_offset <= size - map->size_bytes);
	fuzz_check(map->size_bytes <= INT64_MAX && map->fd_offset <= INT64_MAX - map->size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gw_region_map map;
	uint8_t *info;
	uint64_t from;
	int ret = 0;

	if (size < sizeof(from))
		return 0;
	memcpy(&from, data, sizeof(from));
	size -= sizeof(from);
	info = malloc(size ? size : 1);
	if (size)
		memcpy(info, data + sizeof(from), size);
	/* Parts do not touch each other's bytes, so there are no more of them than bytes. */
	for (size_t nr = 0; !ret; nr++) {
		fuzz_check(nr <= size);
		ret = mappable_find(info, size, from, &map);
		if (ret)
			break;
		check_map(&map, info, from);
		from = map.region_offset + map.size_bytes;
	}
	fuzz_check(ret == -ENOENT || ret == -EOPNOTSUPP || ret == -EBADMSG);
	free(info);
	return 0;
}
