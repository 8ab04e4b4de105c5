/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The uAPI call by call on a kernel device: ioctl() is this file's and notes what it is asked, the data fd is a pipe's.
 * Each call is one ioctl with the arguments as given, and what the raw part leaves the ordinary calls find consistent.
 */
#include "device/device.h"

#include "base/bits.h"
#include "device/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

static struct kernel {
	uint32_t nr_calls; /* ioctls since the device was opened */
	unsigned long last;
	struct {
		uint32_t argsz, flags;
	} head; /* of the last feature call */
	uint8_t data[64];
	uint32_t state;
	int fails;      /* errno of the next call, once */
	int write_end;  /* of the pipe whose other end was the last data fd */
	uint32_t no_fd; /* a session opens without a data fd */
	uint32_t precopy_argsz, precopy_flags;
} kernel;

static int refuse(int code)
{
	errno = code;
	return -1;
}

static int open_session(void)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	if (kernel.write_end >= 0)
		close(kernel.write_end);
	kernel.write_end = ends[1];
	return ends[0];
}

static void state_feature(struct vfio_device_feature *feature)
{
	struct vfio_device_feature_mig_state mig = { .device_state = kernel.state, .data_fd = -1 };

	if (feature->flags & VFIO_DEVICE_FEATURE_SET) {
		memcpy(&mig, feature->data, sizeof(mig));
		if (mig.device_state == GW_STATE_PRE_COPY && !kernel.no_fd)
			mig.data_fd = open_session();
		kernel.state = mig.device_state;
	}
	memcpy(feature->data, &mig, sizeof(mig));
}

static int feature_call(struct vfio_device_feature *feature)
{
	uint64_t flags = GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY;

	kernel.head.argsz = feature->argsz;
	kernel.head.flags = feature->flags;
	memcpy(kernel.data, feature->data, min_u64(feature->argsz, 64 + sizeof(*feature)) - sizeof(*feature));
	switch (feature->flags & UINT16_MAX) {
	case VFIO_DEVICE_FEATURE_MIGRATION:
		memcpy(feature->data, &flags, sizeof(flags));
		return 0;
	case VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE:
		state_feature(feature);
		return 0;
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
	case VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		return feature->flags & VFIO_DEVICE_FEATURE_PROBE ? refuse(ENOTTY) : 0;
	}
	return refuse(ENOTTY);
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
	kernel.nr_calls++;
	kernel.last = number;
	if (kernel.fails) {
		errno = kernel.fails;
		kernel.fails = 0;
		return -1;
	}
	if (number == VFIO_DEVICE_FEATURE)
		return feature_call(arg);
	if (number == VFIO_DEVICE_RESET)
		kernel.state = GW_STATE_RUNNING;
	if (number == VFIO_MIG_GET_PRECOPY_INFO) {
		precopy = arg;
		kernel.precopy_argsz = precopy->argsz;
		kernel.precopy_flags = precopy->flags;
		precopy->initial_bytes = 7;
		precopy->dirty_bytes = 9;
		return 0;
	}
	return number == VFIO_DEVICE_GET_INFO || number == VFIO_DEVICE_RESET ? 0 : refuse(ENOTTY);
}

static struct gw_device *open_device(void)
{
	struct gw_device *dev;

	kernel = (struct kernel){ .state = GW_STATE_RUNNING, .write_end = -1 };
	assert_int_equal(gw_device_from_fd(&dev, "dev0", -1, NULL), 0);
	kernel.nr_calls = 0;
	return dev;
}

static void close_device(struct gw_device *dev)
{
	gw_device_close(dev);
	if (kernel.write_end >= 0)
		close(kernel.write_end);
}

static void test_feature_as_given(void **unused)
{
	struct gw_device *dev = open_device();
	uint8_t data[GW_RAW_FEATURE_BYTES + 1] = { 1, 2, 3 };
	struct gw_raw_feature call = { .flags = GW_RAW_MIGRATION | GW_RAW_GET, .data = data, .data_bytes = 8 };

	assert_int_equal(gw_raw_feature(dev, &call), 0);
	assert_int_equal(kernel.head.argsz, 16);
	assert_int_equal(kernel.head.flags, GW_RAW_MIGRATION | GW_RAW_GET);
	assert_int_equal(kernel.data[1], 2);
	assert_int_equal(call.got_bytes, 8);
	assert_int_equal(data[0], 7);
	/* A size that is not the data's, no operation at all, a number that there is not. */
	call.argsz = 3000;
	call.flags = 0xffff;
	assert_int_equal(gw_raw_feature(dev, &call), -ENOTTY);
	assert_int_equal(kernel.head.argsz, 3000);
	assert_int_equal(kernel.head.flags, 0xffff);
	assert_int_equal(call.got_bytes, 0);
	call = (struct gw_raw_feature){ .flags = 12 | GW_RAW_SET };
	assert_int_equal(gw_raw_feature(dev, &call), -ENOTTY);
	assert_int_equal(kernel.head.argsz, 8);
	assert_int_equal(kernel.nr_calls, 3);
	call = (struct gw_raw_feature){ .data = data, .data_bytes = sizeof(data) };
	assert_int_equal(gw_raw_feature(dev, &call), -EINVAL);
	call = (struct gw_raw_feature){ .data_bytes = 1 };
	assert_int_equal(gw_raw_feature(dev, &call), -EINVAL);
	assert_int_equal(kernel.nr_calls, 3);
	close_device(dev);
}

/* One SET, one ioctl, whatever the state machine has to say of it; the data fd is held until another one comes. */
static void test_state(void **unused)
{
	struct gw_device *dev = open_device();
	struct gw_raw_state state = { .state = GW_STATE_PRE_COPY };
	char byte = 0;
	int fd;

	assert_int_equal(gw_raw_has_data_fd(dev), 1);
	assert_int_equal(gw_raw_data_read(dev, &byte, 1), -EBADF);
	assert_int_equal(gw_raw_data_poll(dev, POLLIN, 0), -EBADF);
	assert_int_equal(gw_raw_data_close(dev), -EBADF);
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	fd = state.data_fd;
	assert_true(fd >= 0);
	assert_int_equal(gw_raw_data_poll(dev, POLLIN, 0), 0);
	assert_int_equal(write(kernel.write_end, "x", 1), 1);
	assert_int_equal(gw_raw_data_poll(dev, POLLIN, 0), POLLIN);
	assert_int_equal(gw_raw_data_read(dev, &byte, 1), 1);
	assert_int_equal(byte, 'x');
	/* A read-only descriptor: the kernel's own word. */
	assert_int_equal(gw_raw_data_write(dev, &byte, 1), -EBADF);
	assert_int_equal(gw_raw_data_read(dev, NULL, 1), -EINVAL);
	/* A state that there is not, by a kernel that takes it; the old data fd stays to be read. */
	state.state = 99;
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(state.data_fd, -1);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	state.state = GW_STATE_PRE_COPY;
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(write(kernel.write_end, "y", 1), 1);
	assert_int_equal(gw_raw_data_read(dev, &byte, 1), 1);
	assert_int_equal(byte, 'y');
	kernel.fails = EPERM;
	assert_int_equal(gw_raw_state_set(dev, &state), -EPERM);
	assert_int_equal(state.data_fd, -1);
	state.state = 0;
	assert_int_equal(gw_raw_state_get(dev, &state), 0);
	assert_int_equal(state.state, GW_STATE_PRE_COPY);
	assert_int_equal(kernel.nr_calls, 5);
	fd = gw_raw_data_close(dev);
	assert_int_equal(fd, 0);
	assert_int_equal(gw_raw_data_read(dev, &byte, 1), -EBADF);
	close_device(dev);
}

/* A SET by number brings a data fd that is held, too; what only looks like one, since nobody wrote there, is not. */
static void test_state_by_number(void **unused)
{
	struct gw_device *dev = open_device();
	struct vfio_device_feature_mig_state mig = { .device_state = GW_STATE_PRE_COPY, .data_fd = -1 };
	struct gw_raw_feature call = { .flags = GW_RAW_MIG_DEVICE_STATE | GW_RAW_SET,
				       .data = &mig,
				       .data_bytes = sizeof(mig) };
	int somebodys = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(gw_raw_feature(dev, &call), 0);
	assert_true(mig.data_fd >= 0);
	assert_int_equal(gw_raw_data_poll(dev, POLLIN, 0), 0);
	assert_int_equal(gw_raw_data_close(dev), 0);
	assert_int_equal(fcntl(mig.data_fd, F_GETFD), -1);
	kernel.no_fd = 1;
	mig.data_fd = somebodys;
	assert_int_equal(gw_raw_feature(dev, &call), 0);
	assert_int_equal(gw_raw_data_close(dev), -EBADF);
	close_device(dev);
	assert_true(fcntl(somebodys, F_GETFD) >= 0);
	close(somebodys);
}

/* gw_device_state_get ends the raw part: a session's data fd is taken over, one without a session is closed. */
static void test_ends_consistent(void **unused)
{
	struct gw_device *dev = open_device();
	struct gw_raw_state state = { .state = GW_STATE_PRE_COPY };
	uint32_t known;
	char byte;
	int fd;

	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(gw_device_state_get(dev, &known, NULL), 0);
	assert_int_equal(known, GW_STATE_PRE_COPY);
	assert_int_equal(write(kernel.write_end, "x", 1), 1);
	assert_int_equal(gw_device_data_read(dev, &byte, 1, NULL), 1);
	/* Left without a word of the data fd, and come back to without a new one: that is not the old session. */
	fd = state.data_fd;
	state.state = GW_STATE_STOP;
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	kernel.no_fd = 1;
	state.state = GW_STATE_PRE_COPY;
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(gw_device_state_get(dev, &known, NULL), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(gw_device_data_read(dev, &byte, 1, NULL), -EBADF);
	kernel.no_fd = 0;
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	fd = state.data_fd;
	state.state = GW_STATE_STOP;
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(gw_device_state_get(dev, &known, NULL), 0);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	state.state = GW_STATE_PRE_COPY;
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(gw_raw_reset(dev), 0);
	assert_true(fcntl(state.data_fd, F_GETFD) >= 0);
	assert_int_equal(gw_device_reset(dev, NULL), 0);
	assert_int_equal(fcntl(state.data_fd, F_GETFD), -1);
	close_device(dev);
}

/* What a raw write broke the ordinary calls may not pass for loaded, unless a raw SET ended it. */
static void test_failed_write_is_known(void **unused)
{
	struct gw_device *dev = open_device();
	struct gw_raw_state state = { .state = GW_STATE_RESUMING };
	uint32_t known;

	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(gw_raw_data_write(dev, "x", 1), -EBADF);
	assert_int_equal(gw_device_state_get(dev, &known, NULL), 0);
	assert_int_equal(gw_device_state_set(dev, GW_STATE_STOP, NULL), -ESTALE);
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(gw_device_state_get(dev, &known, NULL), 0);
	assert_int_equal(gw_device_state_set(dev, GW_STATE_STOP, NULL), 0);
	close_device(dev);
}

static void test_precopy_and_log(void **unused)
{
	struct gw_device *dev = open_device();
	struct gw_iova_range ranges[] = { { 0x1000, 0x2000 }, { 0x8000, 0x1000 } };
	struct gw_raw_precopy info = { .argsz = 8, .flags = 0x55 };
	struct gw_raw_state state = { .state = GW_STATE_PRE_COPY };
	struct vfio_device_feature_dma_logging_control control;
	struct vfio_device_feature_dma_logging_report report;
	uint64_t bitmap = 0;

	assert_int_equal(gw_raw_precopy_info(dev, &info), -EBADF);
	assert_int_equal(kernel.nr_calls, 0);
	assert_int_equal(gw_raw_state_set(dev, &state), 0);
	assert_int_equal(gw_raw_precopy_info(dev, &info), 0);
	assert_int_equal(kernel.precopy_argsz, 8);
	assert_int_equal(kernel.precopy_flags, 0x55);
	assert_int_equal(info.initial_bytes, 7);
	assert_int_equal(info.dirty_bytes, 9);
	info.argsz = 0;
	kernel.fails = EINVAL;
	assert_int_equal(gw_raw_precopy_info(dev, &info), -EINVAL);
	assert_int_equal(gw_raw_precopy_info(dev, &info), 0);
	assert_int_equal(kernel.precopy_argsz, 24);
	kernel.nr_calls = 0;
	assert_int_equal(gw_raw_log_start(dev, ranges, 2, 3), 0);
	memcpy(&control, kernel.data, sizeof(control));
	assert_int_equal(control.page_size, 3);
	assert_int_equal(control.num_ranges, 2);
	assert_int_equal(control.ranges, (uintptr_t)ranges);
	assert_int_equal(gw_raw_log_start(dev, NULL, 2, 3), -EINVAL);
	assert_int_equal(gw_raw_log_report(dev, 0x1000, 0x2000, 0x1000, &bitmap), 0);
	memcpy(&report, kernel.data, sizeof(report));
	assert_int_equal(report.iova, 0x1000);
	assert_int_equal(report.length, 0x2000);
	assert_int_equal(report.page_size, 0x1000);
	assert_int_equal(report.bitmap, (uintptr_t)&bitmap);
	assert_int_equal(gw_raw_log_report(dev, 0, 1, 1, NULL), -EINVAL);
	assert_int_equal(gw_raw_log_stop(dev), 0);
	assert_int_equal(kernel.head.flags, GW_RAW_LOG_STOP | GW_RAW_SET);
	assert_int_equal(kernel.nr_calls, 3);
	close_device(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_feature_as_given),      cmocka_unit_test(test_state),
		cmocka_unit_test(test_state_by_number),       cmocka_unit_test(test_ends_consistent),
		cmocka_unit_test(test_failed_write_is_known), cmocka_unit_test(test_precopy_and_log),
	};

	return cmocka_run_group_tests_name("raw_kernel", tests, NULL, NULL);
}
