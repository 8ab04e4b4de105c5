/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers, and "localhost", which means the same everywhere (RFC 6761, section 6.3): see resolve.h. */
#include "base/err.h"
#include "channel/resolve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct resolved *resolved, const void *addr, socklen_t size_bytes)
{
	memcpy(&resolved->at[resolved->nr].addr, addr, size_bytes);
	resolved->at[resolved->nr++].size_bytes = size_bytes;
}

static bool add_ipv4(struct resolved *resolved, const char *host, uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
		return false;
	add(resolved, &in, sizeof(in));
	return true;
}

/* After a link-local address the interface by name or number, "fe80::1%eth0" (RFC 4007, section 11). */
static bool parse_scope(const char *text, uint32_t *scope)
{
	char *end;
	unsigned long number;

	*scope = if_nametoindex(text);
	if (*scope)
		return true;
	number = strtoul(text, &end, 10);
	*scope = (uint32_t)number;
	return *text >= '0' && *text <= '9' && !*end && number <= UINT32_MAX;
}

static bool add_ipv6(struct resolved *resolved, const char *host, uint16_t port)
{
	struct sockaddr_in6 in = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	size_t length = strcspn(host, "%");
	char number[INET6_ADDRSTRLEN];

	if (length >= sizeof(number))
		return false;
	memcpy(number, host, length);
	number[length] = 0;
	if (host[length] && !parse_scope(host + length + 1, &in.sin6_scope_id))
		return false;
	if (inet_pton(AF_INET6, number, &in.sin6_addr) != 1)
		return false;
	add(resolved, &in, sizeof(in));
	return true;
}

int resolve_host(const struct address *address, struct resolved *resolved, const char *where, struct gw_error *e)
{
	resolved->nr = 0;
	if (!strcmp(address->host, "localhost")) {
		add_ipv6(resolved, "::1", address->port);
		add_ipv4(resolved, "127.0.0.1", address->port);
		return 0;
	}
	if (add_ipv4(resolved, address->host, address->port) || add_ipv6(resolved, address->host, address->port))
		return 0;
	return err_set(e, -ENOENT, where,
		       "%s: host %s is not known: this program is linked statically and looks no names up; give the "
		       "host's address as a number",
		       address->uri, address->host);
}
