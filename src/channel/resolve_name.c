/* SPDX-License-Identifier: BSD-3-Clause */
/* Names and numbers, by getaddrinfo(3): see resolve.h. */
#include "base/err.h"
#include "channel/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

int resolve_host(const struct address *address, struct resolved *resolved, const char *where, struct gw_error *e)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list, *info;
	char port[8];
	int ret;

	resolved->nr = 0;
	snprintf(port, sizeof(port), "%u", address->port);
	ret = getaddrinfo(address->host, port, &hints, &list);
	if (ret)
		return err_set(e, -ENOENT, where, "%s: host %s is not known: %s", address->uri, address->host,
			       gai_strerror(ret));
	for (info = list; info && resolved->nr < RESOLVED_MAX; info = info->ai_next) {
		memcpy(&resolved->at[resolved->nr].addr, info->ai_addr, info->ai_addrlen);
		resolved->at[resolved->nr++].size_bytes = info->ai_addrlen;
	}
	freeaddrinfo(list);
	return 0;
}
