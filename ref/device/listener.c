/* SPDX-License-Identifier: BSD-3-Clause */
/* The listening socket: bind, or find out why not, and accept until told to stop. */
#include "ref/device/listener.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

/* A socket that refuses a connection has lost its listener. EAGAIN is a full backlog: somebody listens. */
static bool is_stale(const struct sockaddr_un *addr)
{
	struct stat st;
	bool stale;
	int fd;

	if (lstat(addr->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = new_socket();
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int bind_to(int fd, const struct sockaddr_un *addr)
{
	if (!bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return 0;
	if (errno != EADDRINUSE || !is_stale(addr))
		return -errno;
	if (unlink(addr->sun_path) || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return -errno;
	return 0;
}

int ref_listener_open(const char *path, unsigned mode)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, ret;

	if (!*path || strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	fd = new_socket();
	if (fd < 0)
		return fd;
	ret = fchmod(fd, mode) ? -errno : bind_to(fd, &addr); /* a socket's mode before bind is its file's */
	if (!ret && listen(fd, 1)) {
		ret = -errno;
		unlink(path);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

void ref_listener_close(int fd, const char *path)
{
	unlink(path);
	close(fd);
}

/* What a client that gave up again leaves behind is no error of the listener's. */
static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR || error == ECONNABORTED;
}

int ref_listener_accept(int fd, int stop_fd)
{
	struct pollfd pfds[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = stop_fd, .events = POLLIN },
	};

	for (;;) {
		int client;

		if (poll(pfds, 2, -1) < 0 && errno != EINTR)
			return -errno;
		if (pfds[1].revents)
			return -ECANCELED;
		client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (client >= 0)
			return client;
		if (!is_passing(errno))
			return -errno;
	}
}
