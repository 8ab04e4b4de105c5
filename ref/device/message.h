/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vfio-user messages: the 16-byte header, a body, file descriptors beside it; and the link they travel on. A request
 * or reply is owned by the one thread that serves a link and used again for each message. The rule is the
 * vfio-user specification (QEMU's docs/interop/vfio-user.rst), "Header".
 */
#ifndef REF_DEVICE_MESSAGE_H
#define REF_DEVICE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_HEADER_BYTES 16
#define MESSAGE_MAX_FDS      8
#define MESSAGE_MAX_DATA     ((size_t)1 << 20) /* of REGION_READ and WRITE, MIG_DATA_READ and WRITE */
#define MESSAGE_MAX_REQUEST  (MESSAGE_MAX_DATA + ((size_t)64 << 10))
#define MESSAGE_MAX_REPLY    ((size_t)9 << 20)

#define MESSAGE_TYPE_MASK  0xfu
#define MESSAGE_TYPE_REPLY 1u
#define MESSAGE_NO_REPLY   (1u << 4)
#define MESSAGE_ERROR      (1u << 5)

/* One end of a socket, and what makes a wait on it end early. */
struct link {
	int fd;      /* -1: not there */
	int stop_fd; /* readable: stop; -1: never */
};

struct request {
	uint16_t id;
	uint16_t command;
	uint32_t flags;
	uint8_t *body;
	size_t size;
	size_t capacity;
	int fds[MESSAGE_MAX_FDS]; /* a handler that keeps one puts -1 in its place */
	size_t nr_fds;
	bool fds_lost; /* more came than fit */
	const struct link *from;
};

/* What a fault adds to the fields of a reply's header, or turns over in its flags. */
struct reply_lie {
	uint16_t id;
	uint32_t length;
	uint32_t flags;
};

struct reply {
	uint8_t *body;
	size_t size;
	size_t capacity;
	int fd; /* sent with it and then closed; -1: none */
	struct reply_lie lie;
};

/*
 * The next command. -EPIPE: the peer is gone; -ECANCELED: stop; -EBADMSG: what came is no command or too long, and
 * nothing after it can be trusted.
 */
int ref_message_receive(const struct link *link, struct request *request);

/* The reply to a request: ret 0 or -errno, of which the reply is then the header alone. */
int ref_message_reply(const struct link *link, const struct request *request, struct reply *reply, int ret);

/* Waits until then, as long as the peer is there and nobody stops it. */
void ref_link_wait_until(const struct link *link, uint64_t deadline_ns);

/* Makes the body `size` bytes of zeroes. NULL: no memory, or more than MESSAGE_MAX_REPLY. */
uint8_t *ref_reply_reserve(struct reply *reply, size_t size);

void ref_request_close_fds(struct request *request);
void ref_request_fini(struct request *request);
void ref_reply_fini(struct reply *reply);

#endif
