/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A kernel that knows dirty pages, and nothing else: ioctl() of the test that includes this. A device's log as the
 * strictest driver has it, a type 1 container, an I/O page table. What the device writes is a list of addresses; each
 * is told by the first report that covers it.
 */
#ifndef TEST_FAKE_DIRTY_KERNEL_H
#define TEST_FAKE_DIRTY_KERNEL_H

#include "base/bitmap.h"
#include "base/bits.h"
#include "device/uapi.h"

#include <errno.h>
#include <godwit/device.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

#define FAKE_DEVICE    1000 /* fds; their requests share numbers */
#define FAKE_CONTAINER 1001
#define FAKE_IOMMUFD   1002
#define FAKE_WRITES    4096u
#define TYPE1_BITMAP   (1 * MIB)

static struct fake_kernel {
	uint64_t writes[FAKE_WRITES];
	uint32_t nr_writes;
	uint64_t drop; /* a page that is never told, as a kernel with a bug would; 0: none */

	bool logs, tracks, type1_logs;
	uint32_t max_ranges, nr_ranges, nr_starts;
	struct gw_iova_range ranges[512];
	uint32_t nr_reports;
	int start_fails, report_fails, unmap_bits_fail; /* errno */
	uint32_t info[64], info_bytes;                  /* of the container */
} kernel;

static inline int refuse(int code)
{
	errno = code;
	return -1;
}

/* As a device would: only what is logged is known. */
static inline void fake_write(uint64_t iova)
{
	if (kernel.nr_writes < FAKE_WRITES)
		kernel.writes[kernel.nr_writes++] = iova;
}

static inline void tell(uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bits, bool keep)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < kernel.nr_writes; i++) {
		uint64_t at = kernel.writes[i];
		bool covered = at >= iova && at - iova < size_bytes;

		if (covered && (!kernel.drop || at / 4096 != kernel.drop))
			bitmap_set(bits, (at - iova) / page_size);
		if (!covered || keep)
			kernel.writes[left++] = at;
	}
	kernel.nr_writes = left;
	kernel.nr_reports++;
}

static inline int fake_start(const struct vfio_device_feature_dma_logging_control *control)
{
	const struct gw_iova_range *ranges = (const void *)(uintptr_t)control->ranges;

	if (kernel.start_fails)
		return refuse(kernel.start_fails);
	if (kernel.logs || !control->num_ranges)
		return refuse(EINVAL);
	if (control->num_ranges > kernel.max_ranges)
		return refuse(E2BIG);
	for (uint32_t i = 0; i < control->num_ranges; i++) {
		if (!is_aligned(ranges[i].iova | ranges[i].size_bytes, control->page_size))
			return refuse(EINVAL);
		if (i && ranges[i].iova <= ranges[i - 1].iova + (ranges[i - 1].size_bytes - 1))
			return refuse(EINVAL);
		kernel.ranges[i] = ranges[i];
	}
	kernel.nr_ranges = control->num_ranges;
	kernel.nr_starts++;
	kernel.nr_writes = 0;
	kernel.logs = true;
	return 0;
}

static inline int fake_report(const struct vfio_device_feature_dma_logging_report *report)
{
	if (kernel.report_fails)
		return refuse(kernel.report_fails);
	if (!kernel.logs || report->page_size < 4096 || !is_aligned(report->iova | report->length, report->page_size))
		return refuse(EINVAL);
	for (uint32_t i = 0; i < kernel.nr_ranges; i++) {
		const struct gw_iova_range *range = &kernel.ranges[i];

		if (report->iova < range->iova || report->iova - range->iova > range->size_bytes - report->length)
			continue;
		tell(report->iova, report->length, report->page_size, (void *)(uintptr_t)report->bitmap, false);
		return 0;
	}
	return refuse(EINVAL);
}

static inline int fake_feature(struct vfio_device_feature *feature)
{
	switch (feature->flags & VFIO_DEVICE_FEATURE_MASK) {
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		return fake_start((const void *)feature->data);
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
		kernel.logs = false;
		return 0;
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		return fake_report((const void *)feature->data);
	default:
		return refuse(ENOTTY);
	}
}

static inline int fake_type1_bits(uint64_t iova, uint64_t size_bytes, const void *data)
{
	struct vfio_bitmap bitmap;

	memcpy(&bitmap, data, sizeof(bitmap));
	if (!kernel.type1_logs || bitmap.pgsize != 4096 || bitmap.size > TYPE1_BITMAP ||
	    bitmap.size < bitmap_words(size_bytes / 4096) * 8)
		return refuse(EINVAL);
	tell(iova, size_bytes, 4096, (void *)bitmap.data, false);
	return 0;
}

static inline int fake_type1_dirty(const struct vfio_iommu_type1_dirty_bitmap *arg)
{
	struct vfio_iommu_type1_dirty_bitmap_get get;

	if (arg->flags != VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP) {
		kernel.type1_logs = arg->flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START;
		return 0;
	}
	memcpy(&get, arg->data, sizeof(get));
	return fake_type1_bits(get.iova, get.size, &get.bitmap);
}

static inline int fake_type1_unmap(const struct vfio_iommu_type1_dma_unmap *arg)
{
	if (!(arg->flags & VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP))
		return 0;
	if (kernel.unmap_bits_fail)
		return refuse(kernel.unmap_bits_fail);
	return fake_type1_bits(arg->iova, arg->size, arg->data);
}

static inline int fake_get_bitmap(const struct iommu_hwpt_get_dirty_bitmap *get)
{
	if (!kernel.tracks || !is_aligned(get->iova | get->length, get->page_size))
		return refuse(EINVAL);
	tell(get->iova, get->length, get->page_size, (void *)(uintptr_t)get->data,
	     get->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR);
	return 0;
}

static inline int fake_container(unsigned long request, void *arg)
{
	switch (request) {
	case VFIO_IOMMU_DIRTY_PAGES:
		return fake_type1_dirty(arg);
	case VFIO_IOMMU_UNMAP_DMA:
		return fake_type1_unmap(arg);
	case VFIO_IOMMU_MAP_DMA:
		return 0;
	case VFIO_IOMMU_GET_INFO:
		memcpy(arg, kernel.info, min_u64(*(uint32_t *)arg, kernel.info_bytes));
		*(uint32_t *)arg = kernel.info_bytes;
		return 0;
	default:
		return refuse(ENOTTY);
	}
}

static inline int fake_iommufd(unsigned long request, void *arg)
{
	switch (request) {
	case IOMMU_HWPT_SET_DIRTY_TRACKING:
		kernel.tracks = ((struct iommu_hwpt_set_dirty_tracking *)arg)->flags;
		return 0;
	case IOMMU_HWPT_GET_DIRTY_BITMAP:
		return fake_get_bitmap(arg);
	case IOMMU_IOAS_MAP:
	case IOMMU_IOAS_UNMAP:
		return 0;
	default:
		return refuse(ENOTTY);
	}
}

int ioctl(int fd, unsigned long request, ...);

int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	switch (fd) {
	case FAKE_DEVICE:
		return request == VFIO_DEVICE_FEATURE ? fake_feature(arg) : refuse(ENOTTY);
	case FAKE_CONTAINER:
		return fake_container(request, arg);
	case FAKE_IOMMUFD:
		return fake_iommufd(request, arg);
	default:
		return refuse(EBADF);
	}
}

#endif
