/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets for who stands between a client and a server: see trace_socket.h. */
#include "trace_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     1
#define SOCKET_MODE 0660

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * TRACE_MAX_FDS)];
};

void trace_fds_close(struct trace_fds *fds)
{
	while (fds->nr)
		close(fds->list[--fds->nr]);
}

static int address_of(const char *path, struct sockaddr_un *address)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!*path || strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	memcpy(address->sun_path, path, strlen(path));
	return 0;
}

static int try_connect(const struct sockaddr_un *address)
{
	int code, fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)address, sizeof(*address))) {
		if (errno == EINTR)
			continue;
		code = -errno;
		close(fd);
		return code;
	}
	return fd;
}

int trace_socket_connect(const char *path)
{
	struct sockaddr_un address;
	int ret = address_of(path, &address);

	return ret ? ret : try_connect(&address);
}

/* A socket that refuses a connection has lost its listener; anything else at the path is somebody's. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;

	if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = try_connect(address);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED;
}

static int bind_to(int fd, const struct sockaddr_un *address)
{
	const struct sockaddr *to = (const struct sockaddr *)address;

	if (!bind(fd, to, sizeof(*address)))
		return 0;
	if (errno != EADDRINUSE || !is_stale(address))
		return -errno;
	return unlink(address->sun_path) || bind(fd, to, sizeof(*address)) ? -errno : 0;
}

int trace_socket_listen(const char *path)
{
	struct sockaddr_un address;
	int fd, ret = address_of(path, &address);

	if (ret)
		return ret;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	ret = fchmod(fd, SOCKET_MODE) ? -errno : bind_to(fd, &address); /* a socket's mode before bind is its file's */
	if (!ret && listen(fd, BACKLOG)) {
		ret = -errno;
		unlink(path);
	}
	if (ret)
		close(fd);
	return ret ? ret : fd;
}

static void collect(struct msghdr *message, struct trace_fds *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t nr = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
				    ? (c->cmsg_len - CMSG_LEN(0)) / sizeof(int)
				    : 0;

		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (fds->nr < TRACE_MAX_FDS)
				fds->list[fds->nr++] = fd;
			else
				close(fd);
		}
	}
}

int trace_socket_receive(int fd, void *buf, size_t size_bytes, struct trace_fds *fds)
{
	union control control;
	struct iovec iov = { .iov_base = buf, .iov_len = size_bytes };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)
	};
	ssize_t n;

	do
		n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	collect(&message, fds);
	return n ? (int)n : -EPIPE;
}

static void attach(struct msghdr *message, union control *control, const struct trace_fds *fds)
{
	size_t size_bytes = fds->nr * sizeof(int);

	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(size_bytes);
	control->header.cmsg_level = SOL_SOCKET;
	control->header.cmsg_type = SCM_RIGHTS;
	control->header.cmsg_len = CMSG_LEN(size_bytes);
	memcpy(CMSG_DATA(&control->header), fds->list, size_bytes);
}

int trace_socket_send(int fd, const void *buf, size_t size_bytes, const struct trace_fds *fds)
{
	struct iovec iov = { .iov_base = (void *)buf, .iov_len = size_bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;

	if (fds->nr)
		attach(&message, &control, fds);
	while (iov.iov_len) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		message.msg_control = NULL;
		message.msg_controllen = 0;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
	}
	return 0;
}

bool trace_socket_is_stream(int fd)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(domain);
	struct sockaddr_un peer;

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size))
		return false;
	size = sizeof(type);
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size))
		return false;
	size = sizeof(peer);
	return domain == AF_UNIX && type == SOCK_STREAM && !getpeername(fd, (struct sockaddr *)&peer, &size);
}
