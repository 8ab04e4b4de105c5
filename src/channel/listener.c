/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Listening for channels. The socket does not block; waiting is done in poll, so that listener_shutdown ends it.
 * One thread accepts.
 */
#include "channel/listener.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"
#include "channel/resolve.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64 /* more than GW_MAX_CHANNELS: all may come at once */

static int make_socket(struct listener *listener, int family)
{
	fd_close(&listener->fd);
	listener->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return listener->fd < 0 ? -errno : 0;
}

static int bind_and_listen(struct listener *listener, const struct sockaddr *addr, socklen_t size)
{
	if (bind(listener->fd, addr, size) || listen(listener->fd, BACKLOG))
		return -errno;
	return 0;
}

static int learn_port(struct listener *listener)
{
	struct sockaddr_storage any = { 0 };
	socklen_t size = sizeof(any);

	if (getsockname(listener->fd, (struct sockaddr *)&any, &size))
		return -errno;
	/* The port is at the same place in both families' addresses. */
	address_set_port(&listener->address, ntohs(((const struct sockaddr_in *)&any)->sin_port));
	return 0;
}

static int open_tcp(struct listener *listener, struct gw_error *e)
{
	struct resolved at;
	int on = 1, ret = resolve_host(&listener->address, &at, "", e);

	if (ret)
		return ret;
	ret = -ENOENT;
	for (unsigned i = 0; i < at.nr && ret; i++) {
		ret = make_socket(listener, at.at[i].addr.ss_family);
		if (!ret && setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)))
			ret = -errno;
		if (!ret)
			ret = bind_and_listen(listener, (const struct sockaddr *)&at.at[i].addr, at.at[i].size_bytes);
	}
	return ret ? ret : learn_port(listener);
}

static struct sockaddr_un unix_address(const char path[ADDRESS_PATH_BYTES])
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	memcpy(un.sun_path, path, sizeof(un.sun_path));
	return un;
}

/* Is the path a socket that nobody listens behind? Only a refusal says so: with a full backlog somebody does. */
static bool is_stale(const char path[ADDRESS_PATH_BYTES])
{
	struct sockaddr_un un = unix_address(path);
	struct stat st;
	bool refused;
	int fd;

	if (lstat(path, &st) || !S_ISSOCK(st.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	refused = connect(fd, (const struct sockaddr *)&un, sizeof(un)) && errno == ECONNREFUSED;
	fd_close(&fd);
	return refused;
}

static int open_unix(struct listener *listener, struct gw_error *e)
{
	struct sockaddr_un un = unix_address(listener->address.path);
	struct stat st;
	int ret = make_socket(listener, AF_UNIX);

	if (!ret)
		ret = bind_and_listen(listener, (const struct sockaddr *)&un, sizeof(un));
	if (ret == -EADDRINUSE && is_stale(un.sun_path) && !unlink(un.sun_path))
		ret = bind_and_listen(listener, (const struct sockaddr *)&un, sizeof(un));
	if (!ret && !lstat(un.sun_path, &st)) {
		listener->path_dev = st.st_dev;
		listener->path_ino = st.st_ino;
	}
	return ret;
}

static int (*const opens[NR_ADDRESS_KINDS])(struct listener *listener, struct gw_error *e) = {
	[ADDRESS_TCP] = open_tcp,
	[ADDRESS_UNIX] = open_unix,
};

int listener_open(struct listener *listener, const struct address *address, struct gw_error *e)
{
	int ret;

	*listener = (struct listener){ .fd = -1, .address = *address };
	ret = opens[address->kind](listener, e);
	if (!ret)
		return 0;
	listener_close(listener);
	if (ret == -EADDRINUSE)
		return err_set(e, ret, "", "%s is in use: somebody listens there, or it is no socket", address->uri);
	return err_set(e, ret, "", "%s cannot be listened on: %s", address->uri, strerror(-ret));
}

static bool is_shut(const struct listener *listener)
{
	return __atomic_load_n(&listener->shut, __ATOMIC_SEQ_CST);
}

/* Errors of the one connection that was to be accepted, or of nobody: not the listener's (accept(2)). */
static bool is_of_the_peer(int error)
{
	static const int errors[] = { EAGAIN,    EINTR,       ECONNABORTED, EPROTO, ENOPROTOOPT, ENETDOWN,
				      EHOSTDOWN, ENETUNREACH, EHOSTUNREACH, ENONET, EOPNOTSUPP };

	for (unsigned i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i] == error)
			return true;
	return false;
}

int listener_accept(struct listener *listener, struct channel *channel, struct gw_error *e)
{
	struct pollfd poll_fd = { .fd = listener->fd, .events = POLLIN };

	while (!is_shut(listener)) {
		int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0)
			return channel_adopt(channel, fd, e);
		if (is_shut(listener))
			break;
		if (!is_of_the_peer(errno))
			return err_set(e, -errno, "", "%s: nobody can be let in: %s", listener->address.uri,
				       strerror(errno));
		if (errno == EAGAIN)
			poll(&poll_fd, 1, -1);
	}
	return err_set(e, -ECANCELED, "", "listening on %s was given up", listener->address.uri);
}

const char *listener_uri(const struct listener *listener, char *buf, size_t size_bytes)
{
	snprintf(buf, size_bytes, "%s", listener->address.uri);
	return buf;
}

void listener_shutdown(struct listener *listener)
{
	__atomic_store_n(&listener->shut, 1, __ATOMIC_SEQ_CST);
	if (listener->fd >= 0)
		shutdown(listener->fd, SHUT_RDWR);
}

/*
 * Another listener may have replaced the socket file since, and its file may have got the same number: so ours is the
 * one that nobody listens behind once our own fd is closed.
 */
static bool is_ours(const struct listener *listener)
{
	struct stat st;

	return !lstat(listener->address.path, &st) && st.st_dev == listener->path_dev &&
	       st.st_ino == listener->path_ino && is_stale(listener->address.path);
}

void listener_close(struct listener *listener)
{
	fd_close(&listener->fd);
	if (listener->path_ino && is_ours(listener))
		unlink(listener->address.path);
	listener->path_ino = 0;
}
