/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A small vfio-user client for the tests of the reference device: blocking, one message at a time, asserts that the
 * header of a reply is right. Written from the specification, shares nothing with the device but its registers.
 */
#ifndef TEST_REF_CLIENT_H
#define TEST_REF_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define REPLY_ROOM ((size_t)2 << 20)

struct ref_client {
	int fd;
	int data_fd; /* -1: none came */
	uint16_t id;
	uint32_t size; /* of the last reply's body */
	uint8_t *body;
};

static inline void client_send(int fd, const void *data, size_t size, const int *fds, size_t nr_fds)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)data, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr_fds) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, nr_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), size);
}

/* 0: the device closed the connection. */
static inline int client_receive(struct ref_client *c, int fd, void *data, size_t size)
{
	char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { data, size };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *cmsg;

	if (size && recvmsg(fd, &msg, MSG_WAITALL) != (ssize_t)size)
		return 0;
	cmsg = size ? CMSG_FIRSTHDR(&msg) : NULL;
	if (cmsg)
		memcpy(&c->data_fd, CMSG_DATA(cmsg), sizeof(int));
	return 1;
}

/* Errno of the reply, 0, or -1 when the connection was closed. */
static inline int client_call_on(struct ref_client *c, int fd, uint16_t command, const void *body, size_t size,
				 const int *fds, size_t nr_fds)
{
	uint32_t header[4];
	uint8_t *message = malloc(16 + size);
	uint16_t ids[2] = { ++c->id, command };

	assert_non_null(message);
	memcpy(header, ids, 4);
	header[1] = (uint32_t)(16 + size);
	header[2] = header[3] = 0;
	memcpy(message, header, 16);
	if (size)
		memcpy(message + 16, body, size);
	client_send(fd, message, 16 + size, fds, nr_fds);
	free(message);
	if (!client_receive(c, fd, header, 16))
		return -1;
	assert_memory_equal(header, ids, 4);
	assert_true(header[1] >= 16 && header[1] - 16 <= REPLY_ROOM);
	c->size = header[1] - 16;
	assert_true(client_receive(c, fd, c->body, c->size));
	assert_int_equal(header[2], header[3] ? 0x21 : 1);
	if (header[3])
		assert_int_equal(c->size, 0);
	return (int)header[3];
}

static inline int client_call(struct ref_client *c, uint16_t command, const void *body, size_t size)
{
	return client_call_on(c, c->fd, command, body, size, NULL, 0);
}

static inline int client_version(struct ref_client *c, const char *json)
{
	uint8_t body[1024] = { 0 };

	assert_true(strlen(json) + 5 < sizeof(body));
	memcpy(body + 4, json, strlen(json) + 1);
	return client_call(c, 1, body, 4 + strlen(json) + 1);
}

static inline void client_open(struct ref_client *c, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	*c = (struct ref_client){ .fd = socket(AF_UNIX, SOCK_STREAM, 0), .data_fd = -1, .body = malloc(REPLY_ROOM) };
	assert_non_null(c->body);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

/* At any time, more than once too. */
static inline void client_close(struct ref_client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	if (c->data_fd >= 0)
		close(c->data_fd);
	free(c->body);
	*c = (struct ref_client){ .fd = -1, .data_fd = -1 };
}

static inline uint64_t client_read(struct ref_client *c, uint32_t region, uint64_t offset, uint32_t width)
{
	uint32_t body[4] = { (uint32_t)offset, (uint32_t)(offset >> 32), region, width };
	uint64_t value = 0;

	assert_int_equal(client_call(c, 9, body, sizeof(body)), 0);
	assert_int_equal(c->size, 16 + width);
	memcpy(&value, c->body + 16, width);
	return value;
}

static inline int client_write(struct ref_client *c, uint32_t region, uint64_t offset, uint64_t value, uint32_t width)
{
	uint32_t body[6] = { (uint32_t)offset, (uint32_t)(offset >> 32), region, width };

	memcpy(body + 4, &value, sizeof(value));
	return client_call(c, 10, body, 16 + width);
}

static inline int client_map(struct ref_client *c, int fd, uint64_t offset, uint64_t iova, uint64_t size)
{
	uint64_t body[4] = { 32 | (uint64_t)3 << 32, offset, iova, size };

	return client_call_on(c, c->fd, 2, body, sizeof(body), &fd, fd >= 0);
}

static inline int client_set_irqs(struct ref_client *c, uint32_t start, uint32_t count, const int *fds)
{
	uint32_t body[5] = { 20, 4 | 32, 2, start, count };

	return client_call_on(c, c->fd, 8, body, sizeof(body), fds, count);
}

static inline int client_get_state(struct ref_client *c)
{
	uint32_t body[4] = { 16, 1 << 16 | 2 }, state;

	assert_int_equal(client_call(c, 16, body, sizeof(body)), 0);
	memcpy(&state, c->body + 8, sizeof(state));
	return (int)state;
}

static inline int client_set_state(struct ref_client *c, uint32_t state)
{
	uint32_t body[4] = { 16, 1 << 17 | 2, state, UINT32_MAX };

	return client_call(c, 16, body, sizeof(body));
}

/* Bytes read, now in c->body + 8, or -errno. */
static inline int client_data_read(struct ref_client *c, int fd, uint32_t size)
{
	uint32_t body[2] = { 8 + size, size }, n;
	int ret = client_call_on(c, fd, 17, body, sizeof(body), NULL, 0);

	if (ret)
		return -ret;
	memcpy(&n, c->body + 4, sizeof(n));
	assert_int_equal(c->size, 8 + n);
	return (int)n;
}

static inline int client_data_write(struct ref_client *c, int fd, const void *data, uint32_t size)
{
	uint32_t head[2] = { 8 + size, size };
	uint8_t *body = malloc(8 + size);
	int ret;

	assert_non_null(body);
	memcpy(body, head, 8);
	memcpy(body + 8, data, size);
	ret = client_call_on(c, fd, 18, body, 8 + size, NULL, 0);
	free(body);
	return ret;
}

#endif
