/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a host's name or number to socket addresses. Two files do it: resolve_name.c asks the system, resolve_number.c,
 * for static programs, knows numbers only: glibc looks names up by libraries it loads at run time, and they have to be
 * those of the very release that the program was linked with.
 */
#ifndef CHANNEL_RESOLVE_H
#define CHANNEL_RESOLVE_H

#include "channel/address.h"

#include <godwit/error.h>
#include <sys/socket.h>

#define RESOLVED_MAX 16 /* what a host has beyond that is left out */

struct resolved {
	unsigned nr;
	struct {
		struct sockaddr_storage addr;
		socklen_t size_bytes;
	} at[RESOLVED_MAX];
};

/* At least one address, with its port, in the order to try them; or -ENOENT with a sentence. where: as of err_set. */
int resolve_host(const struct address *address, struct resolved *resolved, const char *where, struct gw_error *e);

#endif
