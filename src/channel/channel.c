/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sending and receiving whole pieces over a connected channel. Waiting is done in poll, so that it can end by
 * time or by channel_shutdown; a receive that has no time limit waits in the call itself, which shutdown ends too
 * and which costs fewer of them. One sender and one receiver thread at a time.
 */
#include "channel/channel.h"

#include "base/err.h"
#include "base/fd.h"
#include "model/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_IOV 1024u /* IOV_MAX of Linux */

static ssize_t socket_send(struct channel *channel, struct iovec *iov, unsigned nr)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = nr };
	ssize_t n = sendmsg(channel->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 ? -errno : n;
}

static ssize_t socket_receive(struct channel *channel, struct iovec *iov, unsigned nr)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = nr };
	int flags = channel->receive_stall_ns == DEADLINE_NEVER ? MSG_WAITALL : MSG_DONTWAIT;
	ssize_t n = recvmsg(channel->fd, &msg, flags);

	return n < 0 ? -errno : n;
}

const struct channel_ops channel_socket_ops = {
	.send = socket_send,
	.receive = socket_receive,
};

void channel_init(struct channel *channel, const char *name)
{
	*channel = (struct channel){
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.ops = &channel_socket_ops,
		.clock = &clock_monotonic,
		.stall_ns = DEFAULT_STALL_NS,
		.receive_stall_ns = DEADLINE_NEVER,
	};
	snprintf(channel->name, sizeof(channel->name), "%s", name);
}

static bool is_shut(const struct channel *channel)
{
	return __atomic_load_n(&channel->shut, __ATOMIC_ACQUIRE);
}

static int fail_shut(const struct channel *channel, struct gw_error *e)
{
	return err_set(e, -ECANCELED, channel->name, "the channel was shut down by this side");
}

int channel_adopt(struct channel *channel, int fd, struct gw_error *e)
{
	int on = 1;

	pthread_mutex_lock(&channel->lock);
	fd_close(&channel->fd);
	channel->fd = fd;
	pthread_mutex_unlock(&channel->lock);
	if (is_shut(channel))
		return fail_shut(channel, e);
	if (fcntl(fd, F_SETFL, O_RDWR))
		return err_set(e, -errno, channel->name, "the socket cannot be made blocking: %s", strerror(errno));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* fails on other sockets, which need none */
	return 0;
}

/* What a person is told, and the one code for a peer that is gone. */
static int fail(const struct channel *channel, int ret, struct gw_error *e)
{
	if (is_shut(channel))
		return fail_shut(channel, e);
	if (ret == -EPIPE || ret == -ECONNRESET)
		return err_set(e, -EPIPE, channel->name, "the peer closed the connection");
	return err_set(e, ret, channel->name, "the connection failed: %s", strerror(-ret));
}

static int wait_for(struct channel *channel, short events, uint64_t stall_ns, struct gw_error *e)
{
	uint64_t deadline_ns = clock_deadline_ns(channel->clock, stall_ns);
	struct pollfd fd = { .fd = channel->fd, .events = events };
	int ret;

	do {
		ret = poll(&fd, 1, clock_poll_ms(channel->clock, deadline_ns));
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return fail(channel, -errno, e);
	if (ret == 0)
		return err_set(e, -ETIMEDOUT, channel->name, "the peer %s nothing for %llu ms",
			       events == POLLOUT ? "took" : "sent", (unsigned long long)(stall_ns / NS_PER_MS));
	return 0;
}

/* Drops size_bytes from the front of the list. Returns how many iovecs are used up. */
static unsigned advance(struct iovec *iov, unsigned nr, size_t size_bytes)
{
	unsigned i;

	for (i = 0; i < nr && size_bytes >= iov[i].iov_len; i++)
		size_bytes -= iov[i].iov_len;
	if (i < nr) {
		iov[i].iov_base = (uint8_t *)iov[i].iov_base + size_bytes;
		iov[i].iov_len -= size_bytes;
	}
	return i;
}

struct transfer {
	ssize_t (*step)(struct channel *channel, struct iovec *iov, unsigned nr);
	short events;
	uint64_t stall_ns;
	uint64_t *counter;
};

static int transfer(struct channel *channel, const struct transfer *t, struct iovec *iov, unsigned nr,
		    struct gw_error *e)
{
	unsigned at = advance(iov, nr, 0);
	int ret = 0;

	while (at < nr && !ret) {
		ssize_t n = -ECANCELED;

		if (!is_shut(channel))
			n = t->step(channel, iov + at, nr - at < MAX_IOV ? nr - at : MAX_IOV);
		if (n > 0) {
			__atomic_fetch_add(t->counter, (uint64_t)n, __ATOMIC_RELAXED);
			at += advance(iov + at, nr - at, (size_t)n);
		} else if (n == -EAGAIN) {
			ret = wait_for(channel, t->events, t->stall_ns, e);
		} else if (n != -EINTR) {
			ret = fail(channel, n == 0 ? -EPIPE : (int)n, e);
		}
	}
	return ret;
}

int channel_send(struct channel *channel, struct iovec *iov, unsigned nr, struct gw_error *e)
{
	struct transfer t = {
		.step = channel->ops->send,
		.events = POLLOUT,
		.stall_ns = channel->stall_ns,
		.counter = &channel->sent_bytes,
	};

	return transfer(channel, &t, iov, nr, e);
}

int channel_receive_iov(struct channel *channel, struct iovec *iov, unsigned nr, struct gw_error *e)
{
	struct transfer t = {
		.step = channel->ops->receive,
		.events = POLLIN,
		.stall_ns = channel->receive_stall_ns,
		.counter = &channel->received_bytes,
	};

	return transfer(channel, &t, iov, nr, e);
}

int channel_receive(struct channel *channel, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct iovec iov = { .iov_base = buf, .iov_len = size_bytes };

	return channel_receive_iov(channel, &iov, 1, e);
}

uint64_t channel_sent(const struct channel *channel)
{
	return __atomic_load_n(&channel->sent_bytes, __ATOMIC_RELAXED);
}

uint64_t channel_received(const struct channel *channel)
{
	return __atomic_load_n(&channel->received_bytes, __ATOMIC_RELAXED);
}

void channel_shutdown(struct channel *channel)
{
	__atomic_store_n(&channel->shut, 1, __ATOMIC_RELEASE);
	pthread_mutex_lock(&channel->lock);
	if (channel->fd >= 0)
		shutdown(channel->fd, SHUT_RDWR);
	pthread_mutex_unlock(&channel->lock);
}

void channel_reopen(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	__atomic_store_n(&channel->shut, 0, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&channel->lock);
}

void channel_close(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	fd_close(&channel->fd);
	pthread_mutex_unlock(&channel->lock);
}
