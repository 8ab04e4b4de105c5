/* SPDX-License-Identifier: BSD-3-Clause */
/* Does a type 1 container track dirty pages, and how? Read from a chain of capabilities, which may be anything. */
#include "fake_dirty_kernel.h"

#include "device/kernel.h"
#include "device/kernel_device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct kernel_device *open_container(void)
{
	struct kernel_device *dev = kernel_device_new("dev0");

	assert_non_null(dev);
	kernel = (struct fake_kernel){ .max_ranges = 0 };
	dev->container = FAKE_CONTAINER;
	return dev;
}

/* The container's answer: the head, and from at on a capability, which names where the next one is. */
static void put_capability(uint32_t at, uint16_t id, uint32_t next, uint64_t page_sizes, uint64_t max_bytes)
{
	struct vfio_iommu_type1_info_cap_migration cap = {
		.header = { .id = id, .version = 1, .next = next },
		.pgsize_bitmap = page_sizes,
		.max_dirty_bitmap_size = max_bytes,
	};

	memcpy((uint8_t *)kernel.info + at, &cap, min_u64(sizeof(cap), sizeof(kernel.info) - at));
}

static void answer(uint32_t flags, uint32_t cap_offset, uint32_t info_bytes)
{
	struct vfio_iommu_type1_info head = { .flags = flags, .cap_offset = cap_offset };

	memcpy(kernel.info, &head, sizeof(head));
	kernel.info_bytes = info_bytes;
}

static void test_type1_asked(void **unused)
{
	static const struct {
		uint32_t flags, first, next, info_bytes;
		uint64_t page_sizes, page_bytes;
	} cases[] = {
		{ VFIO_IOMMU_INFO_CAPS, 32, 64, 128, 0x40201000, 4096 },
		{ VFIO_IOMMU_INFO_CAPS, 64, 0, 128, 0x10000, 0x10000 },
		{ 0, 32, 64, 128, 0x1000, 0 },                    /* no capabilities */
		{ VFIO_IOMMU_INFO_CAPS, 0, 64, 128, 0x1000, 0 },  /* none */
		{ VFIO_IOMMU_INFO_CAPS, 32, 0, 128, 0x1000, 0 },  /* only others */
		{ VFIO_IOMMU_INFO_CAPS, 32, 32, 128, 0x1000, 0 }, /* a loop */
		{ VFIO_IOMMU_INFO_CAPS, 32, 64, 64, 0x1000, 0 },  /* behind the end */
		{ VFIO_IOMMU_INFO_CAPS, 32, 64, 90, 0x1000, 0 },  /* reaches over it */
		{ VFIO_IOMMU_INFO_CAPS, 32, UINT32_MAX, 128, 0x1000, 0 },
		{ VFIO_IOMMU_INFO_CAPS, 32, 64, 128, 0, 0 },            /* no page size */
		{ VFIO_IOMMU_INFO_CAPS, 32, 64, UINT32_MAX, 0x1000, 0 } /* would be all memory */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kernel_device *dev = open_container();

		answer(cases[i].flags, cases[i].first, cases[i].info_bytes);
		put_capability(32, 1, cases[i].next, 0x2000, 1);
		put_capability(64, VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION, 0, cases[i].page_sizes, MIB);
		kernel_log_ask_type1(dev);
		assert_int_equal(dev->type1.page_bytes, cases[i].page_bytes);
		assert_int_equal(kernel_log_best(dev), cases[i].page_bytes ? GW_DIRTY_TYPE1 : GW_DIRTY_NONE);
		kernel_ops.close(dev);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_type1_asked),
	};

	return cmocka_run_group_tests_name("kernel_type1", tests, NULL, NULL);
}
