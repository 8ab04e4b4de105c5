/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Connecting a channel: one attempt at each address that a URI stands for, until a deadline. Runs in the owner's
 * thread; channel_shutdown from another ends it.
 *
 * SO_SNDBUF and SO_RCVBUF are left to the kernel: setting them turns its own tuning off.
 */
#include "base/err.h"
#include "base/fd.h"
#include "channel/channel.h"
#include "channel/resolve.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

struct attempt {
	struct channel *channel;
	const struct address *address;
	const struct clock *clock;
	uint64_t deadline_ns;
};

static int make_socket(struct channel *channel, int family, int flags, struct gw_error *e)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

	if (fd < 0)
		return err_set(e, -errno, channel->name, "no socket: %s", strerror(errno));
	return channel_adopt(channel, fd, e);
}

/* -errno of a connection that was begun on a non-blocking socket. */
static int finish(const struct attempt *a)
{
	struct pollfd fd = { .fd = a->channel->fd, .events = POLLOUT };
	int error = 0, ret;
	socklen_t size = sizeof(error);

	do {
		ret = poll(&fd, 1, clock_poll_ms(a->clock, a->deadline_ns));
	} while (ret < 0 && errno == EINTR);
	if (ret <= 0)
		return ret ? -errno : -ETIMEDOUT;
	if (getsockopt(fd.fd, SOL_SOCKET, SO_ERROR, &error, &size))
		return -errno;
	return -error;
}

static int connect_tcp_to(const struct attempt *a, const struct sockaddr *addr, socklen_t size)
{
	int ret = make_socket(a->channel, addr->sa_family, SOCK_NONBLOCK, NULL);

	if (!ret && connect(a->channel->fd, addr, size))
		ret = errno == EINPROGRESS ? finish(a) : -errno;
	if (ret)
		channel_close(a->channel);
	return ret;
}

static int connect_tcp(const struct attempt *a, struct gw_error *e)
{
	struct resolved to;
	int ret = resolve_host(a->address, &to, a->channel->name, e);

	if (ret)
		return ret;
	ret = -ENOENT;
	for (unsigned i = 0; i < to.nr && ret && ret != -ECANCELED && ret != -ETIMEDOUT; i++)
		ret = connect_tcp_to(a, (const struct sockaddr *)&to.at[i].addr, to.at[i].size_bytes);
	return ret;
}

/*
 * A unix socket never is "in progress": with a full backlog a non-blocking connect fails. So it blocks, with the
 * time that is left.
 */
static int connect_unix(const struct attempt *a, struct gw_error *e)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int ms = clock_poll_ms(a->clock, a->deadline_ns);
	struct timeval left = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (ms == 0)
		left.tv_usec = 1; /* zero would mean for ever */
	if (ms >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left));
	memcpy(un.sun_path, a->address->path, sizeof(un.sun_path));
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un))) {
		int ret = errno == EAGAIN ? -ETIMEDOUT : -errno;

		fd_close(&fd);
		return ret;
	}
	return channel_adopt(a->channel, fd, e);
}

static int (*const connects[NR_ADDRESS_KINDS])(const struct attempt *a, struct gw_error *e) = {
	[ADDRESS_TCP] = connect_tcp,
	[ADDRESS_UNIX] = connect_unix,
};

static int fail(const struct attempt *a, int ret, struct gw_error *e)
{
	const char *uri = a->address->uri, *where = a->channel->name;

	channel_close(a->channel);
	if (__atomic_load_n(&a->channel->shut, __ATOMIC_ACQUIRE))
		return err_set(e, -ECANCELED, where, "connecting to %s was given up", uri);
	if (ret == -ECONNREFUSED)
		return err_set(e, ret, where, "nothing listens on %s", uri);
	if (ret == -ENOENT)
		return err_set(e, ret, where, "nothing listens on %s: there is no such socket", uri);
	if (ret == -ETIMEDOUT)
		return err_set(e, ret, where, "%s did not answer in time", uri);
	return err_set(e, ret, where, "%s cannot be connected to: %s", uri, strerror(-ret));
}

int channel_connect(struct channel *channel, const struct address *address, const struct clock *clock,
		    uint64_t deadline_ns, struct gw_error *e)
{
	struct attempt a = { channel, address, clock, deadline_ns };
	int ret;

	channel->clock = clock;
	if (address->kind == ADDRESS_TCP && address->port == 0)
		return err_set(e, -EINVAL, channel->name, "%s: port 0 can be listened on, not connected to",
			       address->uri);
	ret = connects[address->kind](&a, e);
	if (ret || __atomic_load_n(&channel->shut, __ATOMIC_ACQUIRE))
		return fail(&a, ret, e);
	return 0;
}
