/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A listener: where the destination waits for channels. One thread accepts; another may shut it down. Owned by
 * the destination's session.
 */
#ifndef CHANNEL_LISTENER_H
#define CHANNEL_LISTENER_H

#include "channel/address.h"
#include "channel/channel.h"

#include <godwit/error.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct listener {
	int fd;                 /* -1: none */
	struct address address; /* with the port that was taken */
	uint32_t shut;          /* listener_shutdown was called */
	dev_t path_dev;         /* unix: the socket file that is ours to remove; path_ino 0: none */
	ino_t path_ino;
};

/*
 * A socket file that nobody listens behind is replaced. -EADDRINUSE: somebody listens there, or the path is
 * something else than a socket. After a failure there is nothing to close, and closing is fine.
 */
int listener_open(struct listener *listener, const struct address *address, struct gw_error *e);

/* Waits for a peer and connects it to an initialised channel. -ECANCELED after listener_shutdown. */
int listener_accept(struct listener *listener, struct channel *channel, struct gw_error *e);

/* The URI to connect to, with the real port. Returns buf. */
const char *listener_uri(const struct listener *listener, char *buf, size_t size_bytes);

void listener_shutdown(struct listener *listener);
void listener_close(struct listener *listener); /* removes the socket file if it is still ours; also twice */

#endif
