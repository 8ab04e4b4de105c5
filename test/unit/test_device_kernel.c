/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel back end against kernels of several ages: ioctl() is this file's. Which kernels are asked to opt in to
 * the flags of GET_PRECOPY_INFO, and that nothing is read in these flags where that did not succeed. And what it is
 * told of interrupts.
 */
#include "device/device.h"

#include "base/bits.h"
#include "device/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#define PLAIN (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P)
#define FULL  (PLAIN | GW_MIGRATION_PRE_COPY)

#define OPERATIONS (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_PROBE)

static struct kernel {
	uint64_t migration_flags;
	uint32_t v2;       /* operations of feature 12; 0: the kernel does not know it */
	int v2_fails;      /* errno of its SET */
	uint32_t v2_bytes; /* that its SET must bring: of another tree's feature 12 */
	uint32_t told;     /* flags that GET_PRECOPY_INFO comes back with */
	uint32_t state;
	uint32_t nr_opt_ins;
	int irqs_fail;       /* errno of SET_IRQS */
	uint32_t irq_set[5]; /* argsz, flags, index, start, count of the last one */
	int eventfd;         /* that came with it; -1: none */
} kernel;

static int refuse(int code)
{
	errno = code;
	return -1;
}

static int v2_feature(const struct vfio_device_feature *feature)
{
	uint32_t operation = feature->flags & (VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET);

	if (!kernel.v2)
		return refuse(ENOTTY);
	if (operation & ~kernel.v2)
		return refuse(EINVAL);
	if (feature->flags & VFIO_DEVICE_FEATURE_PROBE)
		return 0;
	if (feature->argsz < sizeof(*feature) + kernel.v2_bytes)
		return refuse(EINVAL);
	if (kernel.v2_fails)
		return refuse(kernel.v2_fails);
	kernel.nr_opt_ins++;
	return 0;
}

static int state_feature(struct vfio_device_feature *feature)
{
	struct vfio_device_feature_mig_state mig = { .device_state = kernel.state, .data_fd = -1 };

	if (feature->flags & VFIO_DEVICE_FEATURE_SET) {
		memcpy(&mig, feature->data, sizeof(mig));
		if (mig.device_state == GW_STATE_PRE_COPY && kernel.state != GW_STATE_PRE_COPY_P2P)
			mig.data_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
		kernel.state = mig.device_state;
	}
	memcpy(feature->data, &mig, sizeof(mig));
	return 0;
}

static int feature_call(struct vfio_device_feature *feature)
{
	switch (feature->flags & ~OPERATIONS) {
	case VFIO_DEVICE_FEATURE_MIGRATION:
		memcpy(feature->data, &kernel.migration_flags, sizeof(kernel.migration_flags));
		return 0;
	case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
		return state_feature(feature);
	case VFIO_DEVICE_FEATURE_MIG_PRECOPY_INFOv2:
		return v2_feature(feature);
	}
	return refuse(ENOTTY);
}

static int irqs_call(const struct vfio_irq_set *set)
{
	memcpy(kernel.irq_set, set, sizeof(kernel.irq_set));
	kernel.eventfd = -1;
	if (set->argsz >= sizeof(*set) + sizeof(kernel.eventfd))
		memcpy(&kernel.eventfd, set->data, sizeof(kernel.eventfd));
	return kernel.irqs_fail ? refuse(kernel.irqs_fail) : 0;
}

/* In place of the C library's. */
int ioctl(int fd, unsigned long number, ...)
{
	struct vfio_precopy_info *precopy;
	va_list args;
	void *arg;

	va_start(args, number);
	arg = va_arg(args, void *);
	va_end(args);
	if (number == VFIO_DEVICE_GET_INFO)
		return 0;
	if (number == VFIO_DEVICE_FEATURE)
		return feature_call(arg);
	if (number == VFIO_DEVICE_SET_IRQS)
		return irqs_call(arg);
	if (number != VFIO_MIG_GET_PRECOPY_INFO)
		return refuse(ENOTTY);
	precopy = arg;
	precopy->flags = kernel.told;
	precopy->initial_bytes = 7;
	return 0;
}

static void test_flags_need_the_opt_in(void **unused)
{
	static const struct {
		struct kernel kernel;
		uint32_t flags; /* of the answer */
		uint32_t nr_opt_ins;
	} cases[] = {
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_SET, .told = 1 }, GW_PRECOPY_REINIT, 1 },
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_SET, .told = 0 }, 0, 1 },
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_SET, .told = ~0u }, GW_PRECOPY_REINIT, 1 },
		/* Before 7.1: the flags are what was left there. */
		{ { .migration_flags = FULL, .told = ~0u }, 0, 0 },
		/* Says that it could, and refuses. */
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_SET, .v2_fails = EINVAL, .told = 1 }, 0, 0 },
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_SET, .v2_fails = EPERM, .told = 1 }, 0, 0 },
		/* The number is something else's. */
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_GET, .told = 1 }, 0, 0 },
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_SET, .v2_bytes = 8, .told = 1 }, 0, 0 },
		{ { .migration_flags = FULL, .v2 = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_SET, .told = 1 },
		  0,
		  0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct gw_precopy_info info = { .flags = ~0u };
		struct gw_error e = GW_ERROR_NONE;
		struct gw_device *dev;

		kernel = cases[i].kernel;
		kernel.state = GW_STATE_RUNNING;
		assert_int_equal(gw_device_from_fd(&dev, "dev0", -1, &e), 0);
		assert_int_equal(kernel.nr_opt_ins, cases[i].nr_opt_ins);
		assert_int_equal(!!(device_info(dev)->features & GW_FEATURE_REINIT), cases[i].nr_opt_ins);
		assert_true(device_info(dev)->features & GW_FEATURE_PRECOPY_INFO);
		assert_int_equal(gw_device_state_set(dev, GW_STATE_PRE_COPY, &e), 0);
		assert_int_equal(gw_device_precopy_info(dev, &info, &e), 0);
		assert_int_equal(info.flags, cases[i].flags);
		assert_int_equal(info.initial_bytes, 7);
		assert_int_equal(kernel.nr_opt_ins, cases[i].nr_opt_ins);
		gw_device_close(dev);
	}
}

/* The feature is of devices with pre-copy: others are not asked. */
static void test_no_precopy_no_opt_in(void **unused)
{
	static const uint64_t flags[] = { 0, PLAIN };

	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
		struct gw_device *dev;

		kernel = (struct kernel){ .migration_flags = flags[i],
					  .v2 = VFIO_DEVICE_FEATURE_SET,
					  .state = GW_STATE_RUNNING };
		assert_int_equal(gw_device_from_fd(&dev, "dev0", -1, NULL), 0);
		assert_int_equal(kernel.nr_opt_ins, 0);
		assert_false(device_info(dev)->features & (GW_FEATURE_REINIT | GW_FEATURE_PRECOPY_INFO));
		gw_device_close(dev);
	}
}

static void expect_irqs(uint32_t argsz, uint32_t flags, uint32_t index, uint32_t start, uint32_t count)
{
	const uint32_t wanted[5] = { argsz, flags, index, start, count };

	assert_memory_equal(kernel.irq_set, wanted, sizeof(wanted));
	memset(kernel.irq_set, 0, sizeof(kernel.irq_set));
}

/* The flags in numbers: linux/vfio.h, VFIO_IRQ_SET_*. */
static void test_interrupts(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;
	const int fd = 7;

	kernel = (struct kernel){ .state = GW_STATE_RUNNING };
	assert_int_equal(gw_device_from_fd(&dev, "dev0", -1, NULL), 0);
	assert_int_equal(gw_device_irq_set(dev, GW_IRQ_INTX, 0, 1, &fd, NULL), 0);
	expect_irqs(24, 0x24, 0, 0, 1); /* DATA_EVENTFD, ACTION_TRIGGER */
	assert_int_equal(kernel.eventfd, 7);
	assert_int_equal(gw_device_irq_set(dev, GW_IRQ_INTX, 0, 0, NULL, NULL), 0);
	expect_irqs(20, 0x21, 0, 0, 0); /* DATA_NONE, ACTION_TRIGGER */
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 0, 1, 1, NULL), 0);
	expect_irqs(20, 0x09, 0, 0, 1); /* DATA_NONE, ACTION_MASK */
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 0, 1, 0, NULL), 0);
	expect_irqs(20, 0x11, 0, 0, 1); /* DATA_NONE, ACTION_UNMASK */
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_MSIX, 3, 5, 77, NULL), 0);
	expect_irqs(20, 0x09, 2, 3, 5);
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 0, 0, 1, NULL), -EINVAL);
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_INTX, 1, UINT32_MAX, 1, NULL), -EINVAL);
	expect_irqs(0, 0, 0, 0, 0);
	kernel.irqs_fail = ENOTTY; /* as for MSI-X, which vfio-pci cannot mask */
	assert_int_equal(gw_device_irq_mask(dev, GW_IRQ_MSIX, 0, 1, 0, &e), -ENOTTY);
	assert_non_null(strstr(e.what, "unmask"));
	gw_device_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags_need_the_opt_in),
		cmocka_unit_test(test_no_precopy_no_opt_in),
		cmocka_unit_test(test_interrupts),
	};

	return cmocka_run_group_tests_name("device_kernel", tests, NULL, NULL);
}
