/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A vfio-user server to be tested against: one thread on one end of a socket pair, owned by the test. It answers
 * what it is asked in the plainest right way; a test's hook sees every message first and may answer otherwise. Its
 * protocol code is its own: the numbers are written down here once more.
 */
#ifndef TEST_FAKE_USER_H
#define TEST_FAKE_USER_H

#include "base/fd.h"
#include "device/device.h"
#include "device/user.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake_message {
	uint16_t id, command;
	uint32_t size, flags, error; /* the 16 bytes of the header */
	uint32_t body_bytes;
	uint8_t *body;
	int fds[16];
	unsigned nr_fds;
};

struct fake_user {
	int fd, client_fd;
	pthread_t thread;
	/* 1: handled; 0: answer as usual; -1: hang up. */
	int (*hook)(struct fake_user *f, struct fake_message *m);
	void *hook_data;
	const char *json;
	size_t json_bytes; /* 0: as long as it is, with its NUL */
	uint16_t major, minor;
	uint64_t migration_flags; /* 0: no migration */
	uint32_t state;
	uint32_t nr_sets, nr_resets, nr_messages;
	uint32_t has_log;
};

static inline uint32_t fake_u32(const struct fake_message *m, size_t offset)
{
	uint32_t value = 0;

	if (offset + 4 <= m->body_bytes)
		memcpy(&value, m->body + offset, 4);
	return value;
}

static inline uint64_t fake_u64(const struct fake_message *m, size_t offset)
{
	uint64_t value = 0;

	if (offset + 8 <= m->body_bytes)
		memcpy(&value, m->body + offset, 8);
	return value;
}

static inline void fake_send(struct fake_user *f, uint16_t id, uint16_t command, uint32_t flags, uint32_t error,
			     const void *body, uint32_t body_bytes)
{
	uint8_t header[16];
	uint32_t size = 16 + body_bytes;

	memcpy(header, &id, 2);
	memcpy(header + 2, &command, 2);
	memcpy(header + 4, &size, 4);
	memcpy(header + 8, &flags, 4);
	memcpy(header + 12, &error, 4);
	/* The client may be gone already: the test sees that at the other end. */
	if (!fd_write_all(f->fd, header, sizeof(header)) && body_bytes)
		fd_write_all(f->fd, body, body_bytes);
}

static inline void fake_reply(struct fake_user *f, const struct fake_message *m, const void *body, uint32_t body_bytes)
{
	fake_send(f, m->id, m->command, 1, 0, body, body_bytes);
}

static inline void fake_refuse(struct fake_user *f, const struct fake_message *m, uint32_t error)
{
	fake_send(f, m->id, m->command, 0x21, error, NULL, 0);
}

static inline void fake_version(struct fake_user *f, const struct fake_message *m)
{
	size_t bytes = f->json_bytes ? f->json_bytes : f->json ? strlen(f->json) + 1 : 0;
	uint8_t body[4096];

	memcpy(body, &f->major, 2);
	memcpy(body + 2, &f->minor, 2);
	if (bytes)
		memcpy(body + 4, f->json, bytes);
	fake_reply(f, m, body, (uint32_t)(4 + bytes));
}

static inline void fake_feature(struct fake_user *f, const struct fake_message *m)
{
	uint32_t flags = fake_u32(m, 4), index = flags & 0xffff;
	uint32_t body[4] = { 16, flags, 0, 0 };

	if (index >= 6 && index <= 8 && f->has_log) {
		fake_reply(f, m, m->body, m->body_bytes);
	} else if ((index != 1 && index != 2) || !f->migration_flags || flags & (1u << 18)) {
		fake_refuse(f, m, ENOTTY);
	} else if (index == 1) {
		memcpy(body + 2, &f->migration_flags, 8);
		fake_reply(f, m, body, sizeof(body));
	} else {
		if (flags & (1u << 17)) {
			f->nr_sets++;
			f->state = fake_u32(m, 8);
		}
		body[2] = f->state;
		fake_reply(f, m, body, sizeof(body));
	}
}

static inline void fake_answer(struct fake_user *f, struct fake_message *m)
{
	uint32_t body[8] = { 16 };
	uint8_t *data;

	switch (m->command) {
	case 1:
		fake_version(f, m);
		break;
	case 4:
		body[1] = 1; /* reset, no PCI */
		body[2] = 9;
		body[3] = 5;
		fake_reply(f, m, body, 16);
		break;
	case 9:
		data = calloc(1, 16 + (size_t)fake_u32(m, 12));
		memcpy(data, m->body, 16);
		fake_reply(f, m, data, 16 + fake_u32(m, 12));
		free(data);
		break;
	case 13:
		f->nr_resets++;
		f->state = 2;
		fake_reply(f, m, NULL, 0);
		break;
	case 16:
		fake_feature(f, m);
		break;
	case 2:
	case 8:
	case 18:
		fake_reply(f, m, NULL, 0);
		break;
	case 3:
	case 10:
		fake_reply(f, m, m->body, m->body_bytes < 24 ? m->body_bytes : 24);
		break;
	default:
		fake_refuse(f, m, ENOTSUP);
	}
}

static inline int fake_receive(struct fake_user *f, struct fake_message *m)
{
	char control[CMSG_SPACE(16 * sizeof(int))];
	uint8_t header[16];
	struct iovec iov = { .iov_base = header, .iov_len = sizeof(header) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c;

	if (recvmsg(f->fd, &message, MSG_WAITALL) != sizeof(header))
		return -1;
	memcpy(&m->id, header, 2);
	memcpy(&m->command, header + 2, 2);
	memcpy(&m->size, header + 4, 4);
	memcpy(&m->flags, header + 8, 4);
	memcpy(&m->error, header + 12, 4);
	m->nr_fds = 0;
	c = CMSG_FIRSTHDR(&message);
	if (c) {
		m->nr_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(m->fds, CMSG_DATA(c), m->nr_fds * sizeof(int));
	}
	m->body_bytes = m->size - 16;
	m->body = malloc(m->body_bytes + 1);
	return m->body && !fd_read_all(f->fd, m->body, m->body_bytes) ? 0 : -1;
}

static inline void *fake_run(void *arg)
{
	struct fake_user *f = arg;
	int go_on = 1;

	while (go_on) {
		struct fake_message m = { .body = NULL };
		int ret;

		go_on = !fake_receive(f, &m);
		if (go_on) {
			f->nr_messages++;
			ret = f->hook ? f->hook(f, &m) : 0;
			if (!ret)
				fake_answer(f, &m);
			go_on = ret >= 0;
		}
		for (unsigned i = 0; i < m.nr_fds; i++)
			close(m.fds[i]);
		free(m.body);
	}
	shutdown(f->fd, SHUT_RDWR);
	return NULL;
}

static inline void fake_start(struct fake_user *f)
{
	int ends[2];

	assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends));
	f->fd = ends[0];
	f->client_fd = ends[1];
	assert(!pthread_create(&f->thread, NULL, fake_run, f));
}

/* After the client has closed its end. */
static inline void fake_join(struct fake_user *f)
{
	pthread_join(f->thread, NULL);
	close(f->fd);
}

#endif
