/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One connection of a peer that says what it likes: frames with right numbers and sums, whatever is in them. Nothing
 * here fails when the other side hangs up; a wait ends after RAW_PEER_PATIENCE_S.
 */
#ifndef TEST_RAW_PEER_H
#define TEST_RAW_PEER_H

#include "wire/message.h"

#include <stdbool.h>

#define RAW_PEER_PATIENCE_S 20

struct raw_peer {
	int fd;
	uint64_t seq; /* of the next frame out */
};

/* To the socket at path. False: nobody listens. */
bool raw_peer_connect(struct raw_peer *peer, const char *path);
/* From a listening socket; asserts that somebody comes. */
void raw_peer_accept(struct raw_peer *peer, int listener);
void raw_peer_close(struct raw_peer *peer); /* also twice */

void raw_peer_write(struct raw_peer *peer, const void *bytes, size_t nr_bytes);
/* A whole frame; its sum covers head_bytes of the body. */
void raw_peer_frame(struct raw_peer *peer, uint16_t type, uint16_t flags, const void *body, size_t body_bytes,
		    size_t head_bytes);
void raw_peer_say(struct raw_peer *peer, const struct message *message);

/* The next message; what it borrows is not there. Its type, or 0: the connection has ended, or patience has. */
uint16_t raw_peer_hear(struct raw_peer *peer, struct message *message);
/* The same, up to one of this type. */
bool raw_peer_await(struct raw_peer *peer, uint16_t type, struct message *message);
/* Reads to the end. False: it did not come. */
bool raw_peer_ended(struct raw_peer *peer);

#endif
