/* SPDX-License-Identifier: BSD-3-Clause */
/* A vfio-user socket: sendmsg and recvmsg until all is through. */
#include "device/user_socket.h"

#include "base/bits.h"
#include "base/clock.h"
#include "base/fd.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

union control {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * USER_MAX_FDS_TAKEN)];
};

/* How long sending may wait, which connecting to a socket with a full backlog goes by, too; 0: for ever. */
static int set_send_timeout(int fd, uint64_t timeout_ns)
{
	struct timeval timeout = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_S),
		.tv_usec = (suseconds_t)(timeout_ns % NS_PER_S / NS_PER_US),
	};

	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ? -errno : 0;
}

static int connect_within(int fd, const struct sockaddr_un *address, uint64_t timeout_ns)
{
	int ret = set_send_timeout(fd, timeout_ns);

	while (!ret && connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		if (errno != EINTR)
			ret = errno == EAGAIN ? -ETIMEDOUT : -errno;
	return ret ? ret : set_send_timeout(fd, 0);
}

int user_socket_connect(const char *path, uint64_t timeout_ns, int *fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int ret;

	*fd = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return -errno;
	ret = connect_within(*fd, &address, timeout_ns);
	if (ret)
		fd_close(fd);
	return ret;
}

/* However a connection ends, it ended. */
static int socket_error(int code)
{
	return code == -ECONNRESET ? -EPIPE : code;
}

static void attach(struct msghdr *message, union control *control, const int *fds, unsigned nr_fds)
{
	size_t size_bytes = nr_fds * sizeof(int);

	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(size_bytes);
	control->header.cmsg_level = SOL_SOCKET;
	control->header.cmsg_type = SCM_RIGHTS;
	control->header.cmsg_len = CMSG_LEN(size_bytes);
	memcpy(CMSG_DATA(&control->header), fds, size_bytes);
}

/* Takes what was sent off the front. */
static void advance(struct msghdr *message, size_t sent_bytes)
{
	while (message->msg_iovlen && sent_bytes >= message->msg_iov->iov_len) {
		sent_bytes -= message->msg_iov->iov_len;
		message->msg_iov++;
		message->msg_iovlen--;
	}
	if (message->msg_iovlen) {
		message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent_bytes;
		message->msg_iov->iov_len -= sent_bytes;
	}
}

static int wait_writable(int fd, uint64_t deadline_ns)
{
	struct pollfd poller = { .fd = fd, .events = POLLOUT };
	int ret = poll(&poller, 1, clock_poll_ms(&clock_monotonic, deadline_ns));

	if (ret < 0)
		return errno == EINTR ? 0 : -errno;
	return ret ? 0 : -ETIMEDOUT;
}

int user_socket_send(int fd, struct iovec *iov, unsigned nr_iov, const int *fds, unsigned nr_fds, uint64_t deadline_ns)
{
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = nr_iov };
	union control control;
	int ret;

	if (nr_fds > USER_MAX_FDS_TAKEN)
		return -EINVAL;
	if (nr_fds)
		attach(&message, &control, fds, nr_fds);
	advance(&message, 0);
	while (message.msg_iovlen) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			message.msg_control = NULL;
			message.msg_controllen = 0;
			advance(&message, (size_t)n);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return socket_error(-errno);
		ret = wait_writable(fd, deadline_ns);
		if (ret)
			return ret;
	}
	return 0;
}

static void collect(struct msghdr *message, struct user_fds *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		const unsigned char *at = CMSG_DATA(c);
		size_t nr;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nr = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < nr; i++) {
			int fd;

			memcpy(&fd, at + i * sizeof(int), sizeof(fd));
			if (fds->nr < USER_MAX_FDS_TAKEN)
				fds->list[fds->nr++] = fd;
			else
				close(fd);
		}
	}
}

int user_socket_receive_header(int fd, uint8_t buf[USER_HEADER_BYTES], struct user_fds *fds)
{
	size_t got = 0;

	fds->nr = 0;
	while (got < USER_HEADER_BYTES) {
		union control control;
		struct iovec iov = { .iov_base = buf + got, .iov_len = USER_HEADER_BYTES - got };
		struct msghdr message = { .msg_iov = &iov,
					  .msg_iovlen = 1,
					  .msg_control = control.bytes,
					  .msg_controllen = sizeof(control.bytes) };
		ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return socket_error(-errno);
		collect(&message, fds);
		if (!n)
			return -EPIPE;
		got += (size_t)n;
	}
	return 0;
}

int user_socket_receive(int fd, void *buf, size_t size_bytes)
{
	return socket_error(fd_read_all(fd, buf, size_bytes));
}

int user_socket_drain(int fd, size_t size_bytes)
{
	uint8_t nowhere[4096];
	int ret = 0;

	while (!ret && size_bytes) {
		size_t n = min_u64(size_bytes, sizeof(nowhere));

		ret = user_socket_receive(fd, nowhere, n);
		size_bytes -= n;
	}
	return ret;
}

int user_fds_take(struct user_fds *fds, unsigned index)
{
	int fd;

	if (index >= fds->nr)
		return -1;
	fd = fds->list[index];
	fds->list[index] = -1;
	return fd;
}

void user_fds_close(struct user_fds *fds)
{
	while (fds->nr)
		fd_close(&fds->list[--fds->nr]);
}
