/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace of a kernel device: ioctl() is this file's and fills the struct that it is given as a kernel would. Each
 * request of the back end is decoded on its way in and on its way out; pointers in it are not followed.
 */
#include "device/device.h"
#include "device/device_trace.h"
#include "device/kernel_device.h"
#include "device/kernel_io.h"
#include "device/uapi.h"
#include "trace_text.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <godwit/raw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define CONTAINER 1000 /* no descriptor of this process: ioctl() does not look */

static const void *answer; /* what comes back, over all of the argument */
static size_t answer_bytes;
static int fails;
static int result;

/* In place of the C library's. */
int ioctl(int fd, unsigned long number, ...)
{
	va_list args;
	void *arg;

	va_start(args, number);
	arg = va_arg(args, void *);
	va_end(args);
	if (answer)
		memcpy(arg, answer, answer_bytes);
	errno = fails;
	return fails ? -1 : result;
}

static char said[TRACE_TEXT_BYTES]; /* the last call */
static unsigned nr_said;

static void take_call(void *ctx, const struct gw_trace_call *call)
{
	assert_string_equal(call->device, "dev0");
	assert_int_equal(call->size, sizeof(*call));
	assert_true(call->began_ns > 0);
	trace_text(said, call);
	nr_said++;
}

static const struct gw_trace trace = { .size = sizeof(trace), .call = take_call };

static struct kernel_device *new_device(void)
{
	struct kernel_device *dev = kernel_device_new("dev0");

	assert_non_null(dev);
	assert_int_equal(device_trace_new(&dev->trace, &trace, "dev0"), 0);
	dev->container = CONTAINER;
	nr_said = 0;
	return dev;
}

static void free_device(struct kernel_device *dev)
{
	extern const struct gw_device_ops kernel_ops;

	dev->container = -1;
	kernel_ops.close(dev);
}

static void check(struct kernel_device *dev, int fd, unsigned long request, void *arg, const void *back, size_t bytes,
		  const char *text)
{
	answer = back;
	answer_bytes = bytes;
	assert_int_equal(kernel_ioctl(dev, fd, request, arg), result);
	assert_string_equal(said, text);
	answer = NULL;
}

#define CHECK(fd, request, in, out, text) check(dev, fd, request, &(in), &(out), sizeof(out), "ioctl " #request text)

static void test_device_requests(void **unused)
{
	struct kernel_device *dev = new_device();
	struct vfio_device_info info = { .argsz = sizeof(info) }, info_out = { sizeof(info), 3, 9, 5 };
	struct vfio_region_info region = { .argsz = sizeof(region), .index = 2 };
	struct vfio_region_info region_out = { .argsz = 64, .index = 2, .flags = 7, .size = 0x1000, .offset = 0x20 };
	struct vfio_irq_info irq = { .argsz = sizeof(irq), .index = 1 }, irq_out = { sizeof(irq), 1, 1, 8 };
	struct vfio_irq_set set = { .argsz = 24, .flags = 0x24, .index = 2, .start = 0, .count = 1 };
	struct vfio_precopy_info precopy = { .argsz = 24 }, precopy_out = { 24, 1, 100, 200 };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind), .iommufd = 5 }, bind_out = { 16, 0, 5, 77 };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach), .pt_id = 3 };
	struct vfio_group_status status = { .argsz = sizeof(status) }, status_out = { sizeof(status), 1 };
	int container = 8;

	CHECK(3, VFIO_DEVICE_GET_INFO, info, info_out, "() = 0 {flags=RESET|PCI num_regions=9 num_irqs=5}");
	CHECK(3, VFIO_DEVICE_GET_REGION_INFO, region, region_out,
	      "(index=2) = 0 {flags=READ|WRITE|MMAP size=0x1000 offset=0x20}");
	CHECK(3, VFIO_DEVICE_GET_IRQ_INFO, irq, irq_out, "(index=1) = 0 {flags=EVENTFD count=8}");
	CHECK(3, VFIO_DEVICE_SET_IRQS, set, set, "(flags=DATA_EVENTFD|ACTION_TRIGGER index=2 start=0 count=1) = 0 {}");
	CHECK(3, VFIO_MIG_GET_PRECOPY_INFO, precopy, precopy_out,
	      "(argsz=24) = 0 {flags=0x1 initial_bytes=100 dirty_bytes=200}");
	CHECK(3, VFIO_DEVICE_BIND_IOMMUFD, bind, bind_out, "(iommufd=5) = 0 {out_devid=77}");
	CHECK(3, VFIO_DEVICE_ATTACH_IOMMUFD_PT, attach, attach, "(pt_id=3) = 0 {pt_id=3}");
	CHECK(3, VFIO_GROUP_GET_STATUS, status, status_out, "() = 0 {flags=VIABLE}");
	CHECK(3, VFIO_GROUP_SET_CONTAINER, container, container, "(container=8) = 0 {}");
	result = 12;
	check(dev, 3, VFIO_GROUP_GET_DEVICE_FD, (char[]){ "0000:3b:00.2" }, NULL, 0,
	      "ioctl VFIO_GROUP_GET_DEVICE_FD(name=0000:3b:00.2) = 12 {}");
	result = 0;
	check(dev, 3, VFIO_DEVICE_RESET, NULL, NULL, 0, "ioctl VFIO_DEVICE_RESET() = 0 {}");
	check(dev, 3, 0x1234, NULL, NULL, 0, "ioctl ioctl(request=0x1234) = 0 {}");
	free_device(dev);
}

static void test_iommufd_requests(void **unused)
{
	struct kernel_device *dev = new_device();
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) }, alloc_out = { sizeof(alloc), 0, 4 };
	struct iommu_ioas_map map = { sizeof(map), 7, 4, 0, 0x7000, 0x2000, 0x1000 };
	struct iommu_ioas_unmap unmap = { sizeof(unmap), 4, 0x1000, 0x2000 },
				unmap_out = { sizeof(unmap), 4, 0x1000, 0 };
	struct iommu_destroy destroy = { sizeof(destroy), 9 };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = 2, .dev_id = 1, .pt_id = 4 };
	struct iommu_hwpt_alloc hwpt_out = { .size = sizeof(hwpt), .out_hwpt_id = 9 };
	struct iommu_hwpt_set_dirty_tracking tracking = { sizeof(tracking), 1, 9, 0 };
	struct iommu_hwpt_get_dirty_bitmap get = { sizeof(get), 9, 1, 0, 0x1000, 0x2000, 4096, 0xdead };

	CHECK(3, IOMMU_IOAS_ALLOC, alloc, alloc_out, "() = 0 {out_ioas_id=4}");
	CHECK(3, IOMMU_IOAS_MAP, map, map,
	      "(flags=FIXED_IOVA|WRITEABLE|READABLE ioas_id=4 user_va=0x7000 length=0x2000 iova=0x1000) = 0 {}");
	CHECK(3, IOMMU_IOAS_UNMAP, unmap, unmap_out, "(ioas_id=4 iova=0x1000 length=0x2000) = 0 {length=0}");
	CHECK(3, IOMMU_DESTROY, destroy, destroy, "(id=9) = 0 {}");
	CHECK(3, IOMMU_HWPT_ALLOC, hwpt, hwpt_out, "(flags=DIRTY_TRACKING dev_id=1 pt_id=4) = 0 {out_hwpt_id=9}");
	CHECK(3, IOMMU_HWPT_SET_DIRTY_TRACKING, tracking, tracking, "(flags=ENABLE hwpt_id=9) = 0 {}");
	CHECK(3, IOMMU_HWPT_GET_DIRTY_BITMAP, get, get,
	      "(hwpt_id=9 flags=NO_CLEAR iova=0x1000 length=0x2000 page_size=4096) = 0 {}");
	free_device(dev);
}

/* The container's requests have numbers that the device's have too. */
static void test_container_requests(void **unused)
{
	struct kernel_device *dev = new_device();
	struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
	struct vfio_iommu_type1_info info_out = { .argsz = 200, .flags = 3, .iova_pgsizes = 0x1000 };
	struct vfio_iommu_type1_dma_map map = { sizeof(map), 3, 0x7000, 0x1000, 0x2000 };
	struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap), .iova = 0x1000, .size = 0x2000 };
	struct vfio_iommu_type1_dirty_bitmap start = { .argsz = sizeof(start), .flags = 1 };
	uint64_t bits[] = { 48 | 4ull << 32, 0x1000, 0x2000, 4096, 8, 0xdead }; /* head, range, bitmap */

	result = 0;
	check(dev, CONTAINER, VFIO_GET_API_VERSION, NULL, NULL, 0, "ioctl VFIO_GET_API_VERSION() = 0 {}");
	check(dev, CONTAINER, VFIO_CHECK_EXTENSION, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU, NULL, 0,
	      "ioctl VFIO_CHECK_EXTENSION(extension=TYPE1v2_IOMMU) = 0 {}");
	check(dev, CONTAINER, VFIO_SET_IOMMU, (void *)(uintptr_t)99, NULL, 0, "ioctl VFIO_SET_IOMMU(type=99) = 0 {}");
	CHECK(CONTAINER, VFIO_IOMMU_GET_INFO, info, info_out,
	      "() = 0 {argsz=200 flags=PGSIZES|CAPS iova_pgsizes=0x1000}");
	CHECK(CONTAINER, VFIO_IOMMU_MAP_DMA, map, map,
	      "(flags=READ|WRITE vaddr=0x7000 iova=0x1000 size=0x2000) = 0 {}");
	CHECK(CONTAINER, VFIO_IOMMU_UNMAP_DMA, unmap, unmap, "(flags=0 iova=0x1000 size=0x2000) = 0 {size=0x2000}");
	CHECK(CONTAINER, VFIO_IOMMU_DIRTY_PAGES, start, start, "(flags=START) = 0 {}");
	CHECK(CONTAINER, VFIO_IOMMU_DIRTY_PAGES, bits, bits, "(flags=GET_BITMAP iova=0x1000 size=0x2000) = 0 {}");
	free_device(dev);
}

/* By the uAPI call by call, whose arguments may be anything: no pointer and no size of theirs is believed. */
static void test_feature(void **unused)
{
	struct kernel_device *dev = new_device();
	struct gw_raw_state state = { .state = GW_STATE_STOP };
	struct gw_raw_feature call = { .argsz = UINT32_MAX, .flags = GW_RAW_LOG_REPORT | GW_RAW_GET };
	struct gw_iova_range *ranges = (struct gw_iova_range *)(uintptr_t)64;

	assert_int_equal(kernel_raw_ops.state_set(dev, &state), 0);
	assert_string_equal(said, "ioctl VFIO_DEVICE_FEATURE(argsz=16 feature=MIG_DEVICE_STATE operation=SET "
				  "device_state=STOP data_fd=-1) = 0 {device_state=STOP data_fd=-1}");
	assert_int_equal(kernel_raw_ops.log_start(dev, ranges, 5000, 4096), 0);
	assert_string_equal(said, "ioctl VFIO_DEVICE_FEATURE(argsz=32 feature=DMA_LOGGING_START operation=SET "
				  "page_size=4096 num_ranges=5000) = 0 {}");
	assert_int_equal(kernel_raw_ops.feature(dev, &call), 0);
	assert_non_null(strstr(said, "argsz=4294967295"));
	call.argsz = 3;
	assert_int_equal(kernel_raw_ops.feature(dev, &call), 0);
	assert_string_equal(said, "ioctl VFIO_DEVICE_FEATURE() = 0 {}");
	fails = ENOTTY;
	call = (struct gw_raw_feature){ .flags = GW_RAW_MIG_DATA_SIZE | GW_RAW_PROBE | GW_RAW_GET };
	assert_int_equal(kernel_raw_ops.feature(dev, &call), -ENOTTY);
	assert_string_equal(said,
			    "ioctl VFIO_DEVICE_FEATURE(argsz=8 feature=MIG_DATA_SIZE operation=PROBE|GET) = -25 {}");
	fails = 0;
	assert_int_equal(nr_said, 5);
	free_device(dev);
}

static void test_reads_and_writes(void **unused)
{
	struct kernel_device *dev = new_device();
	char byte;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "godwit", 6), 6);
	dev->data_fd = ends[0];
	assert_int_equal(kernel_read(dev, &byte, 1), 1);
	assert_string_equal(said, "read data_fd(size=1) = 1 {data=67}");
	assert_int_equal(kernel_write(dev, "x", 1), -EBADF);
	assert_string_equal(said, "write data_fd(size=1) = -9 {}");
	dev->fd = memfd_create("region", MFD_CLOEXEC);
	assert_int_equal(kernel_pwrite(dev, 7, "0123456789abcdefgh", 18, 0x10), 18);
	assert_string_equal(said, "write region(index=7 file_offset=0x10 size=18 "
				  "data=30313233343536373839616263646566...) = 18 {}");
	assert_int_equal(kernel_pread(dev, 7, &byte, 1, 0x11), 1);
	assert_string_equal(said, "read region(index=7 file_offset=0x11 size=1) = 1 {data=31}");
	assert_int_equal(nr_said, 4);
	/* And untraced the same, without a word. */
	device_trace_free(dev->trace);
	dev->trace = NULL;
	assert_int_equal(kernel_read(dev, &byte, 1), 1);
	assert_int_equal(kernel_pread(dev, 7, &byte, 1, 0x12), 1);
	assert_int_equal(kernel_write(dev, "x", 1), -EBADF);
	assert_int_equal(kernel_pwrite(dev, 7, "x", 1, 0), 1);
	assert_int_equal(nr_said, 4);
	close(ends[1]);
	free_device(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_device_requests),    cmocka_unit_test(test_iommufd_requests),
		cmocka_unit_test(test_container_requests), cmocka_unit_test(test_feature),
		cmocka_unit_test(test_reads_and_writes),
	};

	return cmocka_run_group_tests_name("trace_kernel", tests, NULL, NULL);
}
