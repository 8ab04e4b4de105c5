/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The little of iommufd's self-test interface (CONFIG_IOMMUFD_TEST) that the lab uses: devices that exist only there,
 * behind a page table in memory whose dirty bits the test sets. Numbers and layout are the kernel's, drivers/iommu/
 * iommufd/iommufd_test.h of 6.12; its mock IOMMU has pages of half a CPU's page and takes IOVAs from 16 MiB to 2 GiB.
 */
#ifndef LAB_IOMMUFD_MOCK_H
#define LAB_IOMMUFD_MOCK_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MOCK_PAGE_BYTES          2048u
#define MOCK_IOVA_START          (1ull << 24)
#define MOCK_DEVICE_HAS_NO_DIRTY (1u << 0)

#define MOCK_OP_DOMAIN_REPLACE 10u /* id: the device; pt_id */
#define MOCK_OP_DOMAIN_FLAGS   12u /* id: the IOAS; makes a device there */
#define MOCK_OP_DIRTY          13u /* id: the page table; sets what is set in the bitmap */

struct mock_cmd {
	__u32 size;
	__u32 op;
	__u32 id;
	__u32 reserved;
	union {
		struct {
			__u32 out_device_id;
			__u32 out_hwpt_id;
			__u32 out_bound_id; /* what VFIO_DEVICE_BIND_IOMMUFD gives */
			__u32 flags;
		} domain;
		struct {
			__u32 pt_id;
		} replace;
		struct {
			__u32 flags;
			__aligned_u64 iova;
			__aligned_u64 length;
			__aligned_u64 page_size;
			__aligned_u64 bitmap;
			__aligned_u64 out_nr_dirty;
		} dirty;
	};
	__u32 last;
};
#define MOCK_CMD _IO(';', 0x80 + 32)

#endif
