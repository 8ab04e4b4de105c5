/* SPDX-License-Identifier: BSD-3-Clause */
/* The mappable parts of a region: a chain of capabilities, each checked against the bytes that came. */
#include "device/mappable.h"

#include "base/bits.h"
#include "device/uapi.h"
#include "wire/cursor.h"

#include <errno.h>
#include <stdbool.h>

#define CAP_HEAD_BYTES 8u
#define AREA_BYTES     16u

struct region {
	uint32_t argsz, flags, cap_offset;
	uint64_t size_bytes, fd_offset;
};

static struct region decode_region(struct wire_in *in)
{
	struct region region = { .argsz = wire_get_u32(in), .flags = wire_get_u32(in) };

	wire_get_u32(in); /* index */
	region.cap_offset = wire_get_u32(in);
	region.size_bytes = wire_get_u64(in);
	region.fd_offset = wire_get_u64(in);
	return region;
}

/* Takes the area, as far as it lies after `from`, if there is none yet that begins before it. */
static int consider(const struct region *region, uint64_t offset, uint64_t size, uint64_t from,
		    struct gw_region_map *map)
{
	uint64_t begin = max_u64(offset, from), end = offset + size;

	if (size > region->size_bytes || offset > region->size_bytes - size)
		return -EBADMSG;
	if (end <= from || !size || (map->size_bytes && map->region_offset <= begin))
		return 0;
	map->region_offset = begin;
	map->size_bytes = end - begin;
	map->fd_offset = region->fd_offset + begin;
	return 0;
}

static int consider_areas(const struct region *region, struct wire_in *in, uint64_t from, struct gw_region_map *map)
{
	uint32_t nr = wire_get_u32(in);
	int ret = 0;

	wire_get_u32(in); /* reserved */
	if (in->bad || nr > in->left / AREA_BYTES)
		return -EBADMSG;
	while (nr-- && !ret) {
		uint64_t offset = wire_get_u64(in), size = wire_get_u64(in);

		ret = consider(region, offset, size, from, map);
	}
	return ret;
}

/* The capability that says which parts; *found false: there is none. Offsets only grow, so the chain ends. */
static int find_sparse(const uint8_t *info, size_t bytes, uint32_t at, struct wire_in *sparse, bool *found)
{
	uint32_t last = MAPPABLE_INFO_BYTES - 1;

	for (*found = false; at && !*found;) {
		uint32_t id, next;

		if (at <= last || at > bytes || bytes - at < CAP_HEAD_BYTES)
			return -EBADMSG;
		*sparse = wire_in(info + at, bytes - at);
		id = wire_get_u32(sparse); /* u16 id, u16 version */
		next = wire_get_u32(sparse);
		if ((id & 0xffff) == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
			if (id >> 16 != 1)
				return -EBADMSG;
			*found = true;
		}
		last = at + (CAP_HEAD_BYTES - 1);
		at = next;
	}
	return 0;
}

int mappable_find(const uint8_t *info, size_t bytes, uint64_t from, struct gw_region_map *map)
{
	struct wire_in in = wire_in(info, bytes), sparse;
	struct region region = decode_region(&in);
	bool found = false;
	int ret = 0;

	*map = (struct gw_region_map){ .fd = -1 };
	if (in.bad)
		return -EBADMSG;
	if (!(region.flags & VFIO_REGION_INFO_FLAG_MMAP))
		return -EOPNOTSUPP;
	/* mmap takes an off_t; and where capabilities did not fit, it is not known what may be mapped. */
	if (region.size_bytes > INT64_MAX || region.fd_offset > INT64_MAX - region.size_bytes ||
	    region.argsz > MAPPABLE_MAX_BYTES)
		return -EBADMSG;
	if (region.flags & VFIO_REGION_INFO_FLAG_CAPS)
		ret = find_sparse(info, bytes, region.cap_offset, &sparse, &found);
	if (!ret && found)
		ret = consider_areas(&region, &sparse, from, map);
	else if (!ret)
		ret = consider(&region, 0, region.size_bytes, from, map);
	if (!ret && !map->size_bytes)
		ret = -ENOENT;
	return ret;
}

const char *mappable_error(int code)
{
	switch (code) {
	case -EOPNOTSUPP:
		return "the region cannot be mapped";
	case -ENOENT:
		return "no more of the region can be mapped";
	default:
		return "what it says of the parts of its region that can be mapped makes no sense";
	}
}
