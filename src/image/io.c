/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole reads and writes that can be ended while they wait. A blocking write to a pipe takes all it is given or
 * sleeps, so no more is given at once than POLLOUT promises room for.
 */
#include "image/io.h"

#include "base/bits.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TICK_MS 50

struct image_io image_io(int fd, int (*tick)(void *ctx), void *ctx)
{
	struct image_io io = { .fd = fd, .tick = tick, .ctx = ctx };
	struct stat st;

	io.waits = !fstat(fd, &st) && !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
	return io;
}

/* Until the fd can be read or written, where it may not be. A pipe that trickles does not wait, and is ticked as well.
 */
static int wait_for(const struct image_io *io, short events)
{
	struct pollfd p = { .fd = io->fd, .events = events };
	int nr = 0;

	while (io->waits && nr <= 0) {
		int ret = io->tick ? io->tick(io->ctx) : 0;

		if (ret)
			return ret;
		nr = poll(&p, 1, TICK_MS);
		if (nr < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

/* An fd may be non-blocking, which its owner knows and this file does not: then nothing was done, once more. */
static bool again(ssize_t n)
{
	return n < 0 && (errno == EINTR || errno == EAGAIN);
}

ssize_t image_io_read(const struct image_io *io, void *buf, size_t size_bytes)
{
	char *at = buf;
	size_t done = 0;

	while (done < size_bytes) {
		ssize_t n;
		int ret = wait_for(io, POLLIN);

		if (ret)
			return ret;
		n = read(io->fd, at + done, size_bytes - done);
		if (again(n))
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static ssize_t put(const struct image_io *io, const void *buf, size_t size_bytes)
{
	ssize_t n;

	if (!io->waits)
		return write(io->fd, buf, size_bytes);
	n = send(io->fd, buf, size_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n < 0 && errno == ENOTSOCK ? write(io->fd, buf, min_u64(size_bytes, PIPE_BUF)) : n;
}

int image_io_write(const struct image_io *io, const void *buf, size_t size_bytes)
{
	const char *at = buf;

	while (size_bytes) {
		ssize_t n;
		int ret = wait_for(io, POLLOUT);

		if (ret)
			return ret;
		n = put(io, at, size_bytes);
		if (again(n))
			continue;
		if (n < 0)
			return -errno;
		at += n;
		size_bytes -= (size_t)n;
	}
	return 0;
}
