/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which parts of a region can be mapped: struct vfio_region_info with its capabilities, as the kernel's ioctl fills
 * it and as a vfio-user server sends it, which is the same bytes (linux/vfio.h, VFIO_REGION_INFO_CAP_SPARSE_MMAP). The
 * bytes may come from a hostile server. Pure function, any thread.
 */
#ifndef DEVICE_MAPPABLE_H
#define DEVICE_MAPPABLE_H

#include <godwit/device.h>
#include <stddef.h>
#include <stdint.h>

#define MAPPABLE_INFO_BYTES 32u   /* struct vfio_region_info */
#define MAPPABLE_MAX_BYTES  4096u /* with capabilities: some 250 areas */

/*
 * The first part that ends after `from`, without what lies before it; everything of *map but the fd. bytes is how
 * many came, of MAPPABLE_MAX_BYTES that were asked for. -EOPNOTSUPP: the region cannot be mapped; -ENOENT: no part ends
 * after `from`; -EBADMSG: no region could be like that, or there are more capabilities than fit.
 */
int mappable_find(const uint8_t *info, size_t bytes, uint64_t from, struct gw_region_map *map);

/* What an error of it means, as a sentence. */
const char *mappable_error(int code);

#endif
