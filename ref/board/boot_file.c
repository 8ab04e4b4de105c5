/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that become part of guest RAM. */
#include "ref/board/boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int look(struct boot_file *file, struct gw_error *e)
{
	struct stat st;

	if (fstat(file->fd, &st))
		return gw_error_set(e, -errno, file->what, "%s: %s", file->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return gw_error_set(e, -EINVAL, file->what, "%s is not a regular file", file->path);
	if (st.st_size == 0)
		return gw_error_set(e, -EINVAL, file->what, "%s is empty", file->path);
	file->size_bytes = (uint64_t)st.st_size;
	return 0;
}

int boot_file_open(struct boot_file *file, const char *what, const char *path, struct gw_error *e)
{
	int ret;

	/* a FIFO nobody writes to is to be refused, not waited for */
	*file = (struct boot_file){ .what = what, .path = path, .fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	if (file->fd < 0)
		return gw_error_set(e, -errno, what, "%s: %s", path, strerror(errno));
	ret = look(file, e);
	if (ret)
		boot_file_close(file);
	return ret;
}

void boot_file_close(struct boot_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

int boot_file_read(const struct boot_file *file, uint64_t at, void *to, uint64_t size_bytes, struct gw_error *e)
{
	uint8_t *next = to;

	while (size_bytes) {
		ssize_t got = pread(file->fd, next, size_bytes, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return gw_error_set(e, -errno, file->what, "%s: %s", file->path, strerror(errno));
		if (got == 0)
			return gw_error_set(e, -EIO, file->what, "%s has become shorter while it was read", file->path);
		next += got;
		at += (uint64_t)got;
		size_bytes -= (uint64_t)got;
	}
	return 0;
}
