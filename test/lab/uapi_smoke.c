/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * uapi_smoke: does this kernel really offer what godwit builds on? Asked with plain
 * ioctls, without the library, so that a failure of a lab test above can be told from
 * a lab that lacks something. Prints a line a check: "ok NAME", "not ok NAME - why".
 *
 *   uapi_smoke cdev /dev/vfio/devices/vfioN    an mtty with two ports, through iommufd
 *   uapi_smoke group /dev/vfio/N UUID          the same through group and container
 *   uapi_smoke plain /dev/vfio/devices/vfioN   a device without migration
 *   uapi_smoke host                            dirty tracking, KVM, the mock IOMMU
 *
 * It never asks for STOP_COPY -> PRE_COPY: kernels up to 6.12.95 spin in that ioctl.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/kvm.h>
#include <linux/userfaultfd.h>
#include <linux/vfio.h>

/* What linux/vfio.h of Debian 12 (6.1) lacks. */
#ifndef VFIO_MIGRATION_PRE_COPY
#define VFIO_MIGRATION_PRE_COPY        (1 << 2)
#define VFIO_DEVICE_STATE_PRE_COPY     6
#define VFIO_DEVICE_STATE_PRE_COPY_P2P 7
#define VFIO_MIG_GET_PRECOPY_INFO      _IO(VFIO_TYPE, VFIO_BASE + 21)
struct vfio_precopy_info {
	__u32 argsz, flags;
	__aligned_u64 initial_bytes, dirty_bytes;
};
#endif
#ifndef VFIO_DEVICE_FEATURE_MIG_DATA_SIZE
#define VFIO_DEVICE_FEATURE_MIG_DATA_SIZE 9
struct vfio_device_feature_mig_data_size {
	__aligned_u64 stop_copy_length;
};
#endif
#ifndef VFIO_DEVICE_BIND_IOMMUFD
#define VFIO_DEVICE_BIND_IOMMUFD      _IO(VFIO_TYPE, VFIO_BASE + 18)
#define VFIO_DEVICE_ATTACH_IOMMUFD_PT _IO(VFIO_TYPE, VFIO_BASE + 19)
struct vfio_device_bind_iommufd {
	__u32 argsz, flags;
	__s32 iommufd;
	__u32 out_devid;
};
struct vfio_device_attach_iommufd_pt {
	__u32 argsz, flags, pt_id;
};
#endif

/* linux/iommufd.h, which Debian 12 does not have at all. */
#define IOMMU_IOAS_ALLOC              _IO(';', 0x81)
#define IOMMU_IOAS_MAP                _IO(';', 0x85)
#define IOMMU_HWPT_ALLOC              _IO(';', 0x89)
#define IOMMU_HWPT_SET_DIRTY_TRACKING _IO(';', 0x8b)
struct iommu_ioas_alloc {
	__u32 size, flags, out_ioas_id;
};
struct iommu_ioas_map {
	__u32 size, flags, ioas_id, __reserved;
	__aligned_u64 user_va, length, iova;
};
struct iommu_hwpt_alloc {
	__u32 size, flags, dev_id, pt_id, out_hwpt_id, __reserved, data_type, data_len;
	__aligned_u64 data_uptr;
};
struct iommu_hwpt_set_dirty_tracking {
	__u32 size, flags, hwpt_id, __reserved;
};
#define HWPT_ALLOC_DIRTY_TRACKING  (1 << 1)
#define HWPT_DIRTY_TRACKING_ENABLE (1 << 0)
#define IOAS_MAP_FIXED_IOVA_RW     7

/* drivers/iommu/iommufd/iommufd_test.h, no uAPI: the kernel's own mock. */
#define IOMMU_TEST_CMD            _IO(';', 0xa0)
#define IOMMU_TEST_OP_MOCK_DOMAIN 2
struct iommu_test_cmd {
	__u32 size, op, id, __reserved;
	__u32 out_stdev_id, out_hwpt_id, out_idev_id, rest[9];
	__aligned_u64 last;
};

/* PAGEMAP_SCAN (6.7) and the write-protection that it works with. */
#define UFFD_WP_ASYNC       (1 << 15)
#define UFFD_WP_UNPOPULATED (1 << 13)
#define PM_SCAN             _IOWR('f', 16, struct pm_scan_request)
#define PM_WP_MATCHING      (1 << 0)
#define PM_CHECK_WPASYNC    (1 << 1)
#define PM_IS_WRITTEN       (1 << 1)
struct pm_region {
	__u64 start, end, categories;
};
struct pm_scan_request {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};

enum {
	PAGE = 4096,
	RAM_PAGES = 16,
	RAM_IOVA = 0x100000,
	MTTY_STATE_BYTES = 96,
	MTTY_INITIAL_BYTES = 24,
	UART_SCRATCH = 7,
};

struct dev {
	int fd, iommufd, group, container;
	uint32_t dev_id, ioas_id;
	uint64_t bar0; /* where BAR0 is in fd */
	uint8_t *ram;
};

static char why[256];

static int __attribute__((format(printf, 1, 2))) fail(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	return -1;
}

static int failed_call(const char *what)
{
	return fail("%s: %s", what, strerror(errno));
}

static int feature(const struct dev *d, uint32_t flags, void *data, size_t size)
{
	union {
		struct vfio_device_feature head;
		uint64_t room[32];
	} arg = { .head = { .argsz = sizeof(arg.head) + size, .flags = flags } };
	int ret;

	memcpy(arg.head.data, data, size);
	ret = ioctl(d->fd, VFIO_DEVICE_FEATURE, &arg);
	memcpy(data, arg.head.data, size);
	return ret;
}

static int get(const struct dev *d, uint32_t number, void *data, size_t size)
{
	return feature(d, number | VFIO_DEVICE_FEATURE_GET, data, size);
}

static int set(const struct dev *d, uint32_t number, void *data, size_t size)
{
	return feature(d, number | VFIO_DEVICE_FEATURE_SET, data, size);
}

static int probe(const struct dev *d, uint32_t number)
{
	char none = 0;

	return feature(d, number | VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET, &none, 0);
}

/* The state, or -1. */
static int state(const struct dev *d)
{
	struct vfio_device_feature_mig_state s = { 0 };

	if (get(d, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s)))
		return failed_call("GET of the state");
	return s.device_state;
}

/* Asks for a state and confirms it; *data_fd is what came back, -1 if nothing did. */
static int go(const struct dev *d, uint32_t to, int *data_fd)
{
	struct vfio_device_feature_mig_state s = { .device_state = to, .data_fd = -1 };
	int now;

	if (set(d, VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &s, sizeof(s)))
		return fail("SET of state %u: %s", to, strerror(errno));
	now = state(d);
	if (now != (int)to)
		return fail("asked for state %u, the device is in %d", to, now);
	*data_fd = s.data_fd;
	return 0;
}

static int go_without_fd(const struct dev *d, uint32_t to)
{
	int fd;

	if (go(d, to, &fd))
		return -1;
	return fd < 0 ? 0 : fail("state %u gave a data fd", to);
}

static int go_with_fd(const struct dev *d, uint32_t to, int *fd)
{
	if (go(d, to, fd))
		return -1;
	return *fd >= 0 ? 0 : fail("state %u gave no data fd", to);
}

/* Reads up to the end of the stream: the bytes read, or -1. */
static ssize_t drain(int fd, uint8_t *buf, size_t room)
{
	size_t have = 0;
	ssize_t n;

	while (have < room) {
		n = read(fd, buf + have, room - have);
		if (n < 0)
			return failed_call("read of the data fd");
		if (n == 0)
			return have;
		have += n;
	}
	return fail("more than %zu bytes of state", room);
}

static int check_info(struct dev *d)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct vfio_region_info bar = { .argsz = sizeof(bar), .index = VFIO_PCI_BAR0_REGION_INDEX };

	if (ioctl(d->fd, VFIO_DEVICE_GET_INFO, &info))
		return failed_call("GET_INFO");
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) || info.num_regions != VFIO_PCI_NUM_REGIONS ||
	    info.num_irqs != VFIO_PCI_NUM_IRQS)
		return fail("flags %#x, %u regions, %u irqs", info.flags, info.num_regions, info.num_irqs);
	if (ioctl(d->fd, VFIO_DEVICE_GET_REGION_INFO, &bar))
		return failed_call("GET_REGION_INFO");
	if (bar.size != 8)
		return fail("BAR0 has %llu bytes", bar.size);
	d->bar0 = bar.offset;
	return 0;
}

static int check_flags(struct dev *d)
{
	struct vfio_device_feature_migration m = { 0 };
	uint64_t all = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY;

	if (probe(d, VFIO_DEVICE_FEATURE_MIGRATION))
		return failed_call("PROBE of MIGRATION");
	if (get(d, VFIO_DEVICE_FEATURE_MIGRATION, &m, sizeof(m)))
		return failed_call("GET of MIGRATION");
	return m.flags == all ? 0 : fail("migration flags are %llu, not %llu", m.flags, (unsigned long long)all);
}

static int check_data_size(struct dev *d)
{
	struct vfio_device_feature_mig_data_size s = { 0 };

	if (get(d, VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &s, sizeof(s)))
		return failed_call("GET of MIG_DATA_SIZE");
	return s.stop_copy_length == MTTY_STATE_BYTES ? 0 : fail("stop-copy size %llu", s.stop_copy_length);
}

static int check_running(struct dev *d)
{
	int now = state(d);

	if (now < 0)
		return -1;
	return now == VFIO_DEVICE_STATE_RUNNING ? 0 : fail("a new device is in state %d", now);
}

static int check_stop_copy(struct dev *d)
{
	uint8_t buf[PAGE];
	ssize_t n;
	int fd;

	if (go_without_fd(d, VFIO_DEVICE_STATE_STOP) || go_with_fd(d, VFIO_DEVICE_STATE_STOP_COPY, &fd))
		return -1;
	n = drain(fd, buf, sizeof(buf));
	close(fd);
	if (n < 0 || go_without_fd(d, VFIO_DEVICE_STATE_RUNNING))
		return -1;
	return n == MTTY_STATE_BYTES ? 0 : fail("%zd bytes of state", n);
}

/* One session, RUNNING -> PRE_COPY -> PRE_COPY_P2P -> STOP_COPY: the bytes of it all. */
static ssize_t save(struct dev *d, int fd, uint8_t *buf, size_t room)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };
	ssize_t early, rest;

	if (ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info))
		return failed_call("GET_PRECOPY_INFO");
	if (info.initial_bytes != MTTY_INITIAL_BYTES || info.dirty_bytes)
		return fail("%llu initial, %llu dirty bytes", info.initial_bytes, info.dirty_bytes);
	early = read(fd, buf, room);
	if (early != MTTY_INITIAL_BYTES)
		return fail("%zd bytes in PRE_COPY", early);

	/* The uAPI says ENOMSG for "nothing now"; mtty says 0. */
	rest = read(fd, buf + early, room - early);
	if (rest > 0 || (rest < 0 && errno != ENOMSG))
		return fail("an idle device in PRE_COPY answers %zd (%s)", rest, strerror(errno));

	if (go_without_fd(d, VFIO_DEVICE_STATE_PRE_COPY_P2P) || go_without_fd(d, VFIO_DEVICE_STATE_STOP_COPY))
		return -1;
	if (ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info) == 0 || errno != EINVAL)
		return fail("GET_PRECOPY_INFO in STOP_COPY: not EINVAL");
	rest = drain(fd, buf + early, room - early);
	return rest < 0 ? -1 : early + rest;
}

static int load(struct dev *d, const uint8_t *buf, size_t size)
{
	ssize_t n;
	int fd;

	if (go_with_fd(d, VFIO_DEVICE_STATE_RESUMING, &fd))
		return -1;
	n = write(fd, buf, size);
	close(fd);
	if (n != (ssize_t)size)
		return fail("write of %zu bytes: %zd (%s)", size, n, strerror(errno));
	return go_without_fd(d, VFIO_DEVICE_STATE_RUNNING);
}

static int check_pre_copy_and_resume(struct dev *d)
{
	uint8_t buf[PAGE], before = 0x5a, after = 0xa5;
	ssize_t n;
	int fd;

	if (pwrite(d->fd, &before, 1, d->bar0 + UART_SCRATCH) != 1)
		return failed_call("write to BAR0");
	if (go_with_fd(d, VFIO_DEVICE_STATE_PRE_COPY, &fd))
		return -1;
	n = save(d, fd, buf, sizeof(buf));
	close(fd);
	if (n < 0 || go_without_fd(d, VFIO_DEVICE_STATE_RUNNING))
		return -1;
	if (n != MTTY_STATE_BYTES)
		return fail("%zd bytes of state", n);

	if (pwrite(d->fd, &after, 1, d->bar0 + UART_SCRATCH) != 1)
		return failed_call("write to BAR0");
	if (load(d, buf, n))
		return -1;
	if (pread(d->fd, &after, 1, d->bar0 + UART_SCRATCH) != 1)
		return failed_call("read of BAR0");
	return after == before ? 0 : fail("loaded a state with %#x, the register has %#x", before, after);
}

static int check_reset(struct dev *d)
{
	int fd, now;

	if (go_with_fd(d, VFIO_DEVICE_STATE_STOP_COPY, &fd))
		return -1;
	close(fd);
	if (ioctl(d->fd, VFIO_DEVICE_RESET))
		return failed_call("RESET");
	now = state(d);
	return now == VFIO_DEVICE_STATE_RUNNING ? 0 : fail("state %d after a reset", now);
}

/* mtty's log is a stub: what is asked here is the kernel's part. */
static int check_dma_log(struct dev *d)
{
	struct vfio_device_feature_dma_logging_range range = {
		.iova = RAM_IOVA,
		.length = RAM_PAGES * PAGE,
	};
	struct vfio_device_feature_dma_logging_control start = {
		.page_size = PAGE,
		.num_ranges = 1,
		.ranges = (uintptr_t)&range,
	};
	uint64_t bitmap = 0x10;
	struct vfio_device_feature_dma_logging_report report = {
		.iova = RAM_IOVA,
		.length = RAM_PAGES * PAGE,
		.page_size = PAGE,
		.bitmap = (uintptr_t)&bitmap,
	};
	char none = 0;

	if (set(d, VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &start, sizeof(start)))
		return failed_call("DMA_LOGGING_START");
	if (get(d, VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report, sizeof(report)))
		return failed_call("DMA_LOGGING_REPORT");
	if (set(d, VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, &none, 0))
		return failed_call("DMA_LOGGING_STOP");
	return bitmap == 0x10 ? 0 : fail("REPORT made bitmap %#llx of 0x10", (unsigned long long)bitmap);
}

static int check_no_hwpt(struct dev *d)
{
	struct iommu_hwpt_alloc a = { .size = sizeof(a), .dev_id = d->dev_id, .pt_id = d->ioas_id };

	if (d->iommufd < 0)
		return 0;
	if (ioctl(d->iommufd, IOMMU_HWPT_ALLOC, &a) == 0)
		return fail("an emulated device got a HWPT");
	return errno == ENOENT ? 0 : failed_call("HWPT_ALLOC, where ENOENT was expected");
}

static int check_no_migration(struct dev *d)
{
	struct vfio_device_feature_migration m = { 0 };

	if (!probe(d, VFIO_DEVICE_FEATURE_MIGRATION) || !get(d, VFIO_DEVICE_FEATURE_MIGRATION, &m, sizeof(m)))
		return fail("it has MIGRATION");
	return errno == ENOTTY ? 0 : failed_call("GET of MIGRATION, where ENOTTY was expected");
}

static int map_ram(struct dev *d)
{
	d->ram = mmap(NULL, RAM_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return d->ram == MAP_FAILED ? failed_call("mmap") : 0;
}

static int alloc_ioas(struct dev *d)
{
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };

	d->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (d->iommufd < 0)
		return failed_call("/dev/iommu");
	if (ioctl(d->iommufd, IOMMU_IOAS_ALLOC, &ioas))
		return failed_call("IOAS_ALLOC");
	d->ioas_id = ioas.out_ioas_id;
	return 0;
}

static int open_cdev(struct dev *d, char **args)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_info info = { .argsz = sizeof(info) };
	struct iommu_ioas_map map = { .size = sizeof(map), .flags = IOAS_MAP_FIXED_IOVA_RW };

	d->fd = open(args[0], O_RDWR | O_CLOEXEC);
	if (d->fd < 0)
		return failed_call(args[0]);
	if (ioctl(d->fd, VFIO_DEVICE_GET_INFO, &info) == 0 || errno != EINVAL)
		return fail("GET_INFO before BIND_IOMMUFD: not EINVAL");
	if (alloc_ioas(d))
		return -1;
	bind.iommufd = d->iommufd;
	if (ioctl(d->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return failed_call("BIND_IOMMUFD");
	d->dev_id = bind.out_devid;
	attach.pt_id = d->ioas_id;
	if (ioctl(d->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach))
		return failed_call("ATTACH_IOMMUFD_PT");
	map.ioas_id = d->ioas_id;
	map.user_va = (uintptr_t)d->ram;
	map.length = RAM_PAGES * PAGE;
	map.iova = RAM_IOVA;
	return ioctl(d->iommufd, IOMMU_IOAS_MAP, &map) ? failed_call("IOAS_MAP") : 0;
}

static int open_group(struct dev *d, char **args)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)d->ram,
		.iova = RAM_IOVA,
		.size = RAM_PAGES * PAGE,
	};

	d->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (d->container < 0)
		return failed_call("/dev/vfio/vfio");
	d->group = open(args[0], O_RDWR | O_CLOEXEC);
	if (d->group < 0)
		return failed_call(args[0]);
	if (ioctl(d->group, VFIO_GROUP_SET_CONTAINER, &d->container))
		return failed_call("SET_CONTAINER");
	if (ioctl(d->container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return failed_call("SET_IOMMU");
	d->fd = ioctl(d->group, VFIO_GROUP_GET_DEVICE_FD, args[1]);
	if (d->fd < 0)
		return failed_call("GET_DEVICE_FD");
	return ioctl(d->container, VFIO_IOMMU_MAP_DMA, &map) ? failed_call("MAP_DMA") : 0;
}

static int open_host(struct dev *d, char **args)
{
	return 0;
}

/* Finds exactly the written page of d->ram, and protects it again. */
static int scan_written(int pagemap, struct dev *d, struct pm_region *found, int room)
{
	struct pm_scan_request scan = {
		.size = sizeof(scan),
		.flags = PM_WP_MATCHING | PM_CHECK_WPASYNC,
		.start = (uintptr_t)d->ram,
		.end = (uintptr_t)d->ram + RAM_PAGES * PAGE,
		.vec = (uintptr_t)found,
		.vec_len = room,
		.category_mask = PM_IS_WRITTEN,
		.return_mask = PM_IS_WRITTEN,
	};

	return ioctl(pagemap, PM_SCAN, &scan);
}

static int check_pagemap_scan(struct dev *d)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_WP_ASYNC | UFFD_WP_UNPOPULATED };
	struct uffdio_register reg = {
		.range = { (uintptr_t)d->ram, RAM_PAGES * PAGE },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct pm_region found[4];
	int uffd, pagemap, n;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	if (uffd < 0)
		return failed_call("userfaultfd");
	pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		return failed_call("/proc/self/pagemap");
	if (ioctl(uffd, UFFDIO_API, &api))
		return failed_call("UFFDIO_API with WP_ASYNC");
	if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		return failed_call("UFFDIO_REGISTER");
	if (scan_written(pagemap, d, found, 4) < 0)
		return failed_call("PAGEMAP_SCAN");
	d->ram[5 * PAGE] = 1;
	n = scan_written(pagemap, d, found, 4);
	close(uffd);
	close(pagemap);
	if (n != 1)
		return fail("one page written, %d ranges found", n);
	return found[0].start == (uintptr_t)d->ram + 5 * PAGE && found[0].end - found[0].start == PAGE
		       ? 0
		       : fail("the written page was not found where it is");
}

static int check_soft_dirty(struct dev *d)
{
	uint64_t entry[RAM_PAGES] = { 0 };
	int clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	memset(d->ram, 1, RAM_PAGES * PAGE);
	if (write(clear, "4", 1) != 1)
		return failed_call("/proc/self/clear_refs");
	d->ram[7 * PAGE] = 2;
	if (pread(pagemap, entry, sizeof(entry), (uintptr_t)d->ram / PAGE * sizeof(*entry)) != sizeof(entry))
		return failed_call("/proc/self/pagemap");
	close(clear);
	close(pagemap);
	for (int i = 0; i < RAM_PAGES; i++)
		if ((entry[i] >> 55 & 1) != (i == 7))
			return fail("page %d: soft-dirty is %d", i, (int)(entry[i] >> 55 & 1));
	return 0;
}

/* A real-mode guest in d->ram: writes to its page 3, then to an I/O port. */
static int start_guest(struct dev *d, int vm, int vcpu)
{
	static const uint8_t code[] = { 0xc6, 0x06, 0x00, 0x30, 0x01, 0xe6, 0x10, 0xf4 };
	struct kvm_userspace_memory_region ram = {
		.flags = KVM_MEM_LOG_DIRTY_PAGES,
		.memory_size = RAM_PAGES * PAGE,
		.userspace_addr = (uintptr_t)d->ram,
	};
	struct kvm_regs regs = { .rip = PAGE, .rflags = 2 };
	struct kvm_sregs sregs;

	memcpy(d->ram + PAGE, code, sizeof(code));
	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &ram))
		return failed_call("SET_USER_MEMORY_REGION");
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		return failed_call("GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		return failed_call("SET_SREGS, SET_REGS");
	return 0;
}

static int check_kvm(struct dev *d)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm, vcpu;
	uint64_t bitmap = 0;
	struct kvm_dirty_log log = { .dirty_bitmap = &bitmap };
	struct kvm_run *run;

	if (kvm < 0)
		return failed_call("/dev/kvm");
	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) <= 0)
		return fail("no dirty ring");
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return failed_call("CREATE_VM");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0)
		return failed_call("CREATE_VCPU");
	run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		return failed_call("mmap of the vCPU");
	if (start_guest(d, vm, vcpu))
		return -1;
	if (ioctl(vcpu, KVM_RUN, 0))
		return failed_call("KVM_RUN");
	if (run->exit_reason != KVM_EXIT_IO)
		return fail("the guest left with reason %u", run->exit_reason);
	if (ioctl(vm, KVM_GET_DIRTY_LOG, &log))
		return failed_call("GET_DIRTY_LOG");
	/* More may be dirty: under TCG's SVM so is the page of the code, which was only read. */
	return bitmap >> 3 & 1 && bitmap != 0xffff ? 0 : fail("dirty log %#llx", (unsigned long long)bitmap);
}

static int check_mock_iommu(struct dev *d)
{
	struct iommu_test_cmd mock = { .size = sizeof(mock), .op = IOMMU_TEST_OP_MOCK_DOMAIN };
	struct iommu_hwpt_alloc hwpt = { .size = sizeof(hwpt), .flags = HWPT_ALLOC_DIRTY_TRACKING };
	struct iommu_hwpt_set_dirty_tracking track = { .size = sizeof(track), .flags = HWPT_DIRTY_TRACKING_ENABLE };

	if (alloc_ioas(d))
		return -1;
	mock.id = d->ioas_id;
	if (ioctl(d->iommufd, IOMMU_TEST_CMD, &mock))
		return failed_call("MOCK_DOMAIN");
	hwpt.dev_id = mock.out_idev_id;
	hwpt.pt_id = d->ioas_id;
	if (ioctl(d->iommufd, IOMMU_HWPT_ALLOC, &hwpt))
		return failed_call("HWPT_ALLOC with dirty tracking");
	track.hwpt_id = hwpt.out_hwpt_id;
	return ioctl(d->iommufd, IOMMU_HWPT_SET_DIRTY_TRACKING, &track) ? failed_call("SET_DIRTY_TRACKING") : 0;
}

struct check {
	const char *name;
	int (*run)(struct dev *);
};

static const struct check mtty_checks[] = {
	{ "info", check_info },           { "migration-flags", check_flags },
	{ "data-size", check_data_size }, { "starts-running", check_running },
	{ "stop-copy", check_stop_copy }, { "pre-copy-resume", check_pre_copy_and_resume },
	{ "reset", check_reset },         { "dma-log", check_dma_log },
	{ "no-hwpt", check_no_hwpt },     { 0 }
};

static const struct check plain_checks[] = { { "no-migration", check_no_migration }, { 0 } };

static const struct check host_checks[] = { { "pagemap-scan", check_pagemap_scan },
					    { "soft-dirty", check_soft_dirty },
					    { "kvm", check_kvm },
					    { "mock-iommu", check_mock_iommu },
					    { 0 } };

static const struct way {
	const char *name;
	int nr_args;
	int (*open)(struct dev *, char **);
	const struct check *checks;
} ways[] = { { "cdev", 1, open_cdev, mtty_checks },
	     { "group", 2, open_group, mtty_checks },
	     { "plain", 1, open_cdev, plain_checks },
	     { "host", 0, open_host, host_checks },
	     { 0 } };

static int report(const char *way, const char *name, int ret)
{
	if (ret)
		printf("not ok uapi.%s.%s - %s\n", way, name, why);
	else
		printf("ok uapi.%s.%s\n", way, name);
	fflush(stdout);
	return ret;
}

static int run(const struct way *w, char **args)
{
	struct dev d = { -1, -1, -1, -1 };
	int bad = 0;

	if (report(w->name, "open", map_ram(&d) || w->open(&d, args)))
		return 1;
	for (const struct check *c = w->checks; c->name; c++)
		bad |= report(w->name, c->name, c->run(&d));
	return bad != 0;
}

int main(int argc, char **argv)
{
	for (const struct way *w = ways; w->name; w++)
		if (argc == w->nr_args + 2 && !strcmp(argv[1], w->name))
			return run(w, argv + 2);
	fprintf(stderr, "usage: uapi_smoke cdev PATH | group PATH UUID | plain PATH | host\n");
	return 2;
}
