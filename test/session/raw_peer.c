/* SPDX-License-Identifier: BSD-3-Clause */
/* Raw sockets and the wire's encoders. */
#include "raw_peer.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static void adopt(struct raw_peer *peer, int fd)
{
	struct timeval patience = { .tv_sec = RAW_PEER_PATIENCE_S };

	*peer = (struct raw_peer){ .fd = fd };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

bool raw_peer_connect(struct raw_peer *peer, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	adopt(peer, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	assert_true(peer->fd >= 0);
	if (!connect(peer->fd, (const struct sockaddr *)&address, sizeof(address)))
		return true;
	raw_peer_close(peer);
	return false;
}

void raw_peer_accept(struct raw_peer *peer, int listener)
{
	struct pollfd fd = { .fd = listener, .events = POLLIN };

	assert_int_equal(poll(&fd, 1, RAW_PEER_PATIENCE_S * 1000), 1);
	adopt(peer, accept4(listener, NULL, NULL, SOCK_CLOEXEC));
	assert_true(peer->fd >= 0);
}

void raw_peer_close(struct raw_peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	peer->fd = -1;
}

void raw_peer_write(struct raw_peer *peer, const void *bytes, size_t nr_bytes)
{
	const uint8_t *at = bytes;

	while (nr_bytes) {
		ssize_t n = send(peer->fd, at, nr_bytes, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		at += n;
		nr_bytes -= (size_t)n;
	}
}

void raw_peer_frame(struct raw_peer *peer, uint16_t type, uint16_t flags, const void *body, size_t body_bytes,
		    size_t head_bytes)
{
	uint8_t raw[FRAME_HEADER_BYTES];
	struct frame_header header = {
		.type = type,
		.flags = flags,
		.body_bytes = (uint32_t)body_bytes,
		.head_bytes = (uint32_t)head_bytes,
		.seq = peer->seq++,
	};

	frame_header_encode(raw, &header);
	header.sum = frame_sum(raw, body, head_bytes, NULL, 0);
	frame_header_encode(raw, &header);
	raw_peer_write(peer, raw, sizeof(raw));
	raw_peer_write(peer, body, body_bytes);
}

void raw_peer_say(struct raw_peer *peer, const struct message *message)
{
	size_t room = message_max_bytes(message) + 1;
	uint8_t *body = malloc(room);
	ssize_t n = message_encode(message, body, room);

	assert_true(n >= 0);
	raw_peer_frame(peer, message->type, 0, body, (size_t)n, (size_t)n);
	free(body);
}

uint16_t raw_peer_hear(struct raw_peer *peer, struct message *message)
{
	struct frame_header header;
	uint8_t raw[FRAME_HEADER_BYTES];
	uint8_t *body;
	int ret;

	if (recv(peer->fd, raw, sizeof(raw), MSG_WAITALL) != sizeof(raw))
		return 0;
	assert_int_equal(frame_header_decode(raw, &header), 0);
	body = malloc(header.body_bytes + 1);
	ret = header.body_bytes && recv(peer->fd, body, header.body_bytes, MSG_WAITALL) != (ssize_t)header.body_bytes;
	if (!ret)
		assert_int_equal(message_decode(header.type, body, header.body_bytes, message), 0);
	free(body);
	return ret ? 0 : header.type;
}

bool raw_peer_await(struct raw_peer *peer, uint16_t type, struct message *message)
{
	uint16_t heard;

	do {
		heard = raw_peer_hear(peer, message);
	} while (heard && heard != type);
	return heard == type;
}

bool raw_peer_ended(struct raw_peer *peer)
{
	uint8_t nowhere[4096];
	ssize_t n;

	do {
		n = recv(peer->fd, nowhere, sizeof(nowhere), 0);
	} while (n > 0);
	return n == 0 || errno == ECONNRESET;
}
