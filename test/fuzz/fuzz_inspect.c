/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzz target: files that inspect is given, one or two of them. Input: u16, big-endian, how long the first file is (0:
 * there is but one), then the files. Whatever it is, it is told or refused; a device that is said to be complete can be
 * extracted, and what comes out is an image.
 */
#include "fuzz.h"

#include <errno.h>
#include <godwit/inspect.h>
#include <sys/mman.h>
#include <unistd.h>

#define HEAD_BYTES 2u

static void fill(int *fd, const uint8_t *data, size_t size)
{
	if (*fd <= 0)
		*fd = memfd_create("fuzz", MFD_CLOEXEC);
	fuzz_check(*fd > 0 && !ftruncate(*fd, 0) && !lseek(*fd, 0, SEEK_SET));
	fuzz_check(pwrite(*fd, data, size, 0) == (ssize_t)size);
}

static void check_files(const struct gw_inspection *told)
{
	for (const struct gw_inspected_file *file = told->files; file; file = file->next) {
		int code = file->trouble.code;

		fuzz_check(code == 0 || code == -EBADMSG || code == -EPROTONOSUPPORT);
		fuzz_check(file->whole == !code && !code == !file->trouble.what[0]);
	}
	fuzz_check(!!told->image + !!told->record + !!told->qemu == 1);
}

static void check_device(const struct gw_inspection *told, const struct gw_inspected_device *device)
{
	static int out;
	struct gw_image_totals totals;
	int ret;

	fill(&out, NULL, 0);
	ret = gw_inspect_extract(told, device->id, out, NULL, &totals, NULL);
	fuzz_check(ret == 0 || ret == -EBADMSG || ret == -ENOENT);
	if (device == told->qemu->devices && !device->next) /* no other has its name */
		fuzz_check((ret == 0) == !!(device->flags & GW_INSPECTED_COMPLETE));
	if (ret)
		return;
	fuzz_check(!lseek(out, 0, SEEK_SET));
	fuzz_check(gw_image_verify(out, NULL, NULL, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fds[2];
	struct gw_inspect_input inputs[2] = { { .name = "one" }, { .name = "two" } };
	const struct gw_inspection *told;
	size_t first;
	uint32_t nr;
	int ret;

	if (size < HEAD_BYTES)
		return 0;
	first = (size_t)data[0] << 8 | data[1];
	nr = first && first < size - HEAD_BYTES ? 2 : 1;
	if (nr == 1)
		first = size - HEAD_BYTES;
	fill(&fds[0], data + HEAD_BYTES, first);
	fill(&fds[1], data + HEAD_BYTES + first, size - HEAD_BYTES - first);
	for (uint32_t i = 0; i < nr; i++)
		inputs[i].fd = fds[i];
	ret = gw_inspect_read(&told, inputs, nr, NULL, NULL);
	if (ret) {
		fuzz_check(ret == -EPROTONOSUPPORT || ret == -EINVAL);
		return 0;
	}
	check_files(told);
	if (told->qemu)
		for (const struct gw_inspected_device *device = told->qemu->devices; device; device = device->next)
			check_device(told, device);
	gw_inspection_free(told);
	return 0;
}
