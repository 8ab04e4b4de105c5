/* SPDX-License-Identifier: BSD-3-Clause */
/* A device of the kernel's mock IOMMU in the back end's hands, its maps, and what was written and told of them. */
#ifndef LAB_MOCK_RIG_H
#define LAB_MOCK_RIG_H

#include "iommufd_mock.h"

#include "device/kernel.h"
#include "device/kernel_device.h"
#include "device/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define PAGE     4096ull
#define BASE     (2 * MOCK_IOVA_START)
#define NR_PAGES 1024ull /* from BASE on: what the checks speak of */
#define WORDS    (NR_PAGES / 64)

/* In pages from BASE on. Each is a map, A apart from B and C, which touch; D is not there at first. */
static const struct area {
	uint64_t first, nr;
} A = { 0, 512 }, B = { 640, 64 }, C = { 704, 3 }, B_AND_C = { 640, 67 }, D = { 900, 100 };

struct rig {
	struct kernel_device *dev;
	uint8_t *ram;
	uint64_t written[WORDS], told[WORDS];
};

static char why[256];

static inline int __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return -1;
}

static inline int failed_call(const char *what)
{
	return fail("%s: %s", what, strerror(errno));
}

static inline int failed(const char *what, const struct gw_error *e)
{
	return fail("%s: %s", what, e->what);
}

static inline uint64_t iova_of(uint64_t page)
{
	return BASE + page * PAGE;
}

static inline struct gw_iova_range range_of(const struct area *area)
{
	return (struct gw_iova_range){ iova_of(area->first), area->nr * PAGE };
}

static inline int add_map(struct rig *r, const struct area *area)
{
	struct gw_error e = GW_ERROR_NONE;
	struct gw_dma_map map = {
		.iova = iova_of(area->first),
		.size_bytes = area->nr * PAGE,
		.hva = r->ram + area->first * PAGE,
		.fd = -1,
		.prot = GW_DMA_READ | GW_DMA_WRITE,
	};

	return kernel_ops.dma_map(r->dev, &map, &e) ? failed("map", &e) : 0;
}

static inline int unmap(struct rig *r, const struct area *area, struct gw_error *e)
{
	return kernel_ops.dma_unmap(r->dev, iova_of(area->first), area->nr * PAGE, e);
}

static inline int start(struct rig *r, uint64_t page_size)
{
	const struct gw_iova_range ranges[] = { range_of(&A), range_of(&B_AND_C) };
	struct gw_error e = GW_ERROR_NONE;

	return kernel_ops.log_start(r->dev, ranges, 2, page_size, &e) ? failed("log_start", &e) : 0;
}

static inline int stop(struct rig *r)
{
	struct gw_error e = GW_ERROR_NONE;

	return kernel_ops.log_stop(r->dev, &e) ? failed("log_stop", &e) : 0;
}

static inline int open_mock(struct kernel_device **dev, uint32_t flags)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct mock_cmd device = { .size = sizeof(device), .op = MOCK_OP_DOMAIN_FLAGS, .domain = { .flags = flags } };
	struct mock_cmd replace = { .size = sizeof(replace), .op = MOCK_OP_DOMAIN_REPLACE };

	*dev = kernel_device_new("mock");
	if (!*dev)
		return fail("no memory");
	(*dev)->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if ((*dev)->iommufd < 0)
		return failed_call("/dev/iommu");
	if (ioctl((*dev)->iommufd, IOMMU_IOAS_ALLOC, &ioas) < 0)
		return failed_call("IOAS_ALLOC");
	device.id = (*dev)->ioas_id = ioas.out_ioas_id;
	if (ioctl((*dev)->iommufd, MOCK_CMD, &device) < 0)
		return failed_call("making a mock device");
	(*dev)->dev_id = device.domain.out_bound_id;
	kernel_iommufd_alloc_tracked(*dev);
	if (!(*dev)->hwpt_id)
		return 0;
	replace.id = device.domain.out_device_id;
	replace.replace.pt_id = (*dev)->hwpt_id;
	return ioctl((*dev)->iommufd, MOCK_CMD, &replace) < 0 ? failed_call("attaching to the page table") : 0;
}

#endif
