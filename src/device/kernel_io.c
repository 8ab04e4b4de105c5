/* SPDX-License-Identifier: BSD-3-Clause */
/* The system calls of the kernel back end, and their trace: see kernel_io.h. */
#include "device/kernel_io.h"

#include "device/device_trace.h"
#include "device/kernel_decode.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const struct trace_row data_row[] = { { "data", 0, 0, TRACE_AS_BYTES, NULL }, { NULL, 0, 0, 0, NULL } };

static int call_ioctl(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

int kernel_ioctl(const struct kernel_device *dev, int fd, unsigned long request, void *arg)
{
	enum kernel_file file = fd >= 0 && fd == dev->container ? KERNEL_FILE_CONTAINER : KERNEL_FILE_OTHER;
	struct trace_record record;
	struct trace_list list;
	int ret;

	if (!dev->trace)
		return call_ioctl(fd, request, arg);
	device_trace_begin(&record, "ioctl", kernel_decode_name(file, request));
	list = trace_arguments(&record.call, &record.room);
	kernel_decode_argument(&list, file, request, arg);
	device_trace_start(&record);
	ret = call_ioctl(fd, request, arg);
	device_trace_end(&record, ret);
	list = trace_answers(&record.call, &record.room);
	if (ret >= 0)
		kernel_decode_answer(&list, file, request, arg);
	device_trace_report(dev->trace, &record);
	return ret;
}

/* Where an access to a region is. region: -1: it is the data fd that is accessed. */
static void begin_access(struct trace_record *record, const char *kind, int64_t region, uint64_t at, size_t size_bytes)
{
	struct trace_list list;

	device_trace_begin(record, kind, region < 0 ? "data_fd" : "region");
	list = trace_arguments(&record->call, &record->room);
	if (region >= 0) {
		trace_add_number(&list, "index", GW_TRACE_NUMBER, (uint64_t)region);
		trace_add_number(&list, "file_offset", GW_TRACE_HEX, at);
	}
	trace_add_number(&list, "size", GW_TRACE_NUMBER, size_bytes);
}

static ssize_t end_access(const struct kernel_device *dev, struct trace_record *record, struct trace_list list,
			  const void *data, ssize_t n)
{
	device_trace_end(record, n);
	if (n > 0)
		trace_add_rows(&list, data_row, data, (size_t)n);
	device_trace_report(dev->trace, record);
	return n;
}

static ssize_t result(ssize_t n)
{
	return n < 0 ? -errno : n;
}

ssize_t kernel_read(const struct kernel_device *dev, void *buf, size_t size_bytes)
{
	struct trace_record record;
	ssize_t n;

	if (!dev->trace)
		return result(read(dev->data_fd, buf, size_bytes));
	begin_access(&record, "read", -1, 0, size_bytes);
	device_trace_start(&record);
	n = result(read(dev->data_fd, buf, size_bytes));
	return end_access(dev, &record, trace_answers(&record.call, &record.room), buf, n);
}

ssize_t kernel_write(const struct kernel_device *dev, const void *buf, size_t size_bytes)
{
	struct trace_record record;
	ssize_t n;

	if (!dev->trace)
		return result(write(dev->data_fd, buf, size_bytes));
	begin_access(&record, "write", -1, 0, size_bytes);
	device_trace_start(&record);
	n = result(write(dev->data_fd, buf, size_bytes));
	return end_access(dev, &record, trace_arguments(&record.call, &record.room), buf, n);
}

ssize_t kernel_pread(const struct kernel_device *dev, uint32_t region, void *buf, size_t size_bytes, off_t at)
{
	struct trace_record record;
	ssize_t n;

	if (!dev->trace)
		return result(pread(dev->fd, buf, size_bytes, at));
	begin_access(&record, "read", region, (uint64_t)at, size_bytes);
	device_trace_start(&record);
	n = result(pread(dev->fd, buf, size_bytes, at));
	return end_access(dev, &record, trace_answers(&record.call, &record.room), buf, n);
}

ssize_t kernel_pwrite(const struct kernel_device *dev, uint32_t region, const void *buf, size_t size_bytes, off_t at)
{
	struct trace_record record;
	ssize_t n;

	if (!dev->trace)
		return result(pwrite(dev->fd, buf, size_bytes, at));
	begin_access(&record, "write", region, (uint64_t)at, size_bytes);
	device_trace_start(&record);
	n = result(pwrite(dev->fd, buf, size_bytes, at));
	return end_access(dev, &record, trace_arguments(&record.call, &record.room), buf, n);
}
