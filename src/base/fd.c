/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors: close once, read and write whole. */
#include "base/fd.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

void fd_close(int *fd)
{
	int kept = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = kept;
}

int fd_read_all(int fd, void *buf, size_t size_bytes)
{
	char *at = buf;

	while (size_bytes) {
		ssize_t n = read(fd, at, size_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		at += n;
		size_bytes -= (size_t)n;
	}
	return 0;
}

static ssize_t put(int fd, const void *buf, size_t size_bytes)
{
	ssize_t n = send(fd, buf, size_bytes, MSG_NOSIGNAL);

	return n < 0 && errno == ENOTSOCK ? write(fd, buf, size_bytes) : n;
}

int fd_write_all(int fd, const void *buf, size_t size_bytes)
{
	const char *at = buf;

	while (size_bytes) {
		ssize_t n = put(fd, at, size_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size_bytes -= (size_t)n;
	}
	return 0;
}
