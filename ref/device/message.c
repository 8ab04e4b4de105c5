/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whole messages over a stream socket. Every receive and send may be short, so both loop; both wait by poll on the
 * socket and the stop fd, so neither can be stuck with a peer that says nothing.
 */
#include "ref/device/message.h"

#include "ref/device/cursor.h"
#include "ref/device/pace.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int wait_for(const struct link *link, short events)
{
	struct pollfd pfds[] = {
		{ .fd = link->fd, .events = events },
		{ .fd = link->stop_fd, .events = POLLIN },
	};

	if (poll(pfds, 2, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	return pfds[1].revents ? -ECANCELED : 0;
}

void ref_link_wait_until(const struct link *link, uint64_t deadline_ns)
{
	struct pollfd pfds[] = {
		{ .fd = link->fd, .events = POLLRDHUP },
		{ .fd = link->stop_fd, .events = POLLIN },
	};
	uint64_t now_ns;

	while ((now_ns = pace_now()) < deadline_ns) {
		struct timespec left = pace_timespec(deadline_ns - now_ns);

		if (ppoll(pfds, 2, &left, NULL) > 0)
			break;
	}
}

void ref_request_close_fds(struct request *request)
{
	for (size_t i = 0; i < request->nr_fds; i++)
		if (request->fds[i] >= 0)
			close(request->fds[i]);
	request->nr_fds = 0;
}

static void keep_fds(struct request *request, const struct cmsghdr *cmsg)
{
	size_t nr = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < nr; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(fd), sizeof(fd));
		if (request->nr_fds < MESSAGE_MAX_FDS) {
			request->fds[request->nr_fds++] = fd;
		} else {
			close(fd);
			request->fds_lost = true;
		}
	}
}

/* What is there, up to size; 0: nothing now. */
static ssize_t receive_some(const struct link *link, struct request *request, uint8_t *buf, size_t size)
{
	union {
		char bytes[CMSG_SPACE(MESSAGE_MAX_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n = recvmsg(link->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
			keep_fds(request, c);
	if (msg.msg_flags & MSG_CTRUNC)
		request->fds_lost = true;
	return n ? n : -EPIPE;
}

static int receive_all(const struct link *link, struct request *request, uint8_t *buf, size_t size)
{
	while (size) {
		int ret = wait_for(link, POLLIN);
		ssize_t n = ret ? ret : receive_some(link, request, buf, size);

		if (n < 0)
			return (int)n;
		buf += n;
		size -= (size_t)n;
	}
	return 0;
}

static int decode_header(struct request *request, const uint8_t *header)
{
	struct cursor c = cursor_over(header, MESSAGE_HEADER_BYTES);
	uint32_t size;

	request->id = cursor_u16(&c);
	request->command = cursor_u16(&c);
	size = cursor_u32(&c);
	request->flags = cursor_u32(&c);
	if (size < MESSAGE_HEADER_BYTES || size > MESSAGE_MAX_REQUEST || request->flags & MESSAGE_TYPE_MASK)
		return -EBADMSG;
	request->size = size - MESSAGE_HEADER_BYTES;
	return 0;
}

static int reserve_body(struct request *request)
{
	uint8_t *body;

	if (request->size <= request->capacity)
		return 0;
	body = realloc(request->body, request->size);
	if (!body)
		return -ENOMEM;
	request->body = body;
	request->capacity = request->size;
	return 0;
}

int ref_message_receive(const struct link *link, struct request *request)
{
	uint8_t header[MESSAGE_HEADER_BYTES];
	int ret;

	ref_request_close_fds(request);
	request->fds_lost = false;
	request->from = link;
	ret = receive_all(link, request, header, sizeof(header));
	if (!ret)
		ret = decode_header(request, header);
	if (!ret)
		ret = reserve_body(request);
	if (!ret)
		ret = receive_all(link, request, request->body, request->size);
	return ret;
}

static void attach_fd(struct msghdr *msg, void *control, size_t size, int fd)
{
	struct cmsghdr *cmsg;

	msg->msg_control = control;
	msg->msg_controllen = size;
	cmsg = CMSG_FIRSTHDR(msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
}

static ssize_t send_some(const struct link *link, struct iovec *iov, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { { 0 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (fd >= 0)
		attach_fd(&msg, &control, sizeof(control), fd);
	n = sendmsg(link->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return n;
}

/* Two pieces, header and body; the fd goes with the first byte. */
static int send_all(const struct link *link, struct iovec *iov, int fd)
{
	while (iov[0].iov_len || iov[1].iov_len) {
		int ret = wait_for(link, POLLOUT);
		ssize_t n = ret ? ret : send_some(link, iov, fd);

		if (n < 0)
			return (int)n;
		if (n)
			fd = -1;
		for (size_t i = 0; i < 2 && n; i++) {
			size_t part = (size_t)n < iov[i].iov_len ? (size_t)n : iov[i].iov_len;

			if (!part)
				continue;
			iov[i].iov_base = (uint8_t *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
	return 0;
}

static void encode_header(uint8_t *header, const struct request *request, const struct reply_lie *lie, size_t body,
			  int error)
{
	struct writer w = writer_over(header, MESSAGE_HEADER_BYTES);

	writer_u16(&w, (uint16_t)(request->id + lie->id));
	writer_u16(&w, request->command);
	writer_u32(&w, (uint32_t)(MESSAGE_HEADER_BYTES + body + lie->length));
	writer_u32(&w, (MESSAGE_TYPE_REPLY | (error ? MESSAGE_ERROR : 0)) ^ lie->flags);
	writer_u32(&w, (uint32_t)error);
}

int ref_message_reply(const struct link *link, const struct request *request, struct reply *reply, int ret)
{
	uint8_t header[MESSAGE_HEADER_BYTES];
	struct iovec iov[2] = {
		{ .iov_base = header, .iov_len = sizeof(header) },
		{ .iov_base = reply->body, .iov_len = ret ? 0 : reply->size },
	};

	if (request->flags & MESSAGE_NO_REPLY)
		return 0;
	encode_header(header, request, &reply->lie, iov[1].iov_len, -ret);
	return send_all(link, iov, ret ? -1 : reply->fd);
}

uint8_t *ref_reply_reserve(struct reply *reply, size_t size)
{
	if (size > MESSAGE_MAX_REPLY)
		return NULL;
	if (size > reply->capacity) {
		uint8_t *body = realloc(reply->body, size);

		if (!body)
			return NULL;
		reply->body = body;
		reply->capacity = size;
	}
	if (size)
		memset(reply->body, 0, size);
	reply->size = size;
	return reply->body;
}

void ref_request_fini(struct request *request)
{
	ref_request_close_fds(request);
	free(request->body);
	*request = (struct request){ 0 };
}

void ref_reply_fini(struct reply *reply)
{
	if (reply->fd >= 0)
		close(reply->fd);
	free(reply->body);
	*reply = (struct reply){ .fd = -1 };
}
