/* SPDX-License-Identifier: BSD-3-Clause */
/* Taking a channel's URI apart. It comes from a person, so every refusal says what would be taken. */
#include "channel/address.h"

#include "base/bits.h"
#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FORMS "tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH"

static int refuse(const char *uri, const char *why, struct gw_error *e)
{
	return err_set(e, -EINVAL, "", "%s: %s; an address is %s", uri, why, FORMS);
}

static bool parse_port(const char *text, uint16_t *port)
{
	uint32_t value = 0;
	const char *at;

	for (at = text; *at >= '0' && *at <= '9' && value <= UINT16_MAX; at++)
		value = value * 10 + (uint32_t)(*at - '0');
	*port = (uint16_t)value;
	return at != text && !*at && value <= UINT16_MAX;
}

/* rest is HOST:PORT or [IPV6]:PORT. A host with colons needs its brackets, or the port could not be told from it. */
static int parse_tcp(struct address *address, const char *rest, struct gw_error *e)
{
	bool bracketed = *rest == '[';
	const char *host = bracketed ? rest + 1 : rest;
	const char *end = host + strcspn(host, bracketed ? "]" : ":");
	const char *colon = bracketed && *end ? end + 1 : end;
	size_t length = (size_t)(end - host);

	if (length == 0)
		return refuse(address->uri, "it names no host", e);
	if (length >= sizeof(address->host))
		return refuse(address->uri, "its host name is too long", e);
	if (*colon != ':' || !parse_port(colon + 1, &address->port))
		return refuse(address->uri, "it does not end with a port from 0 to 65535", e);
	memcpy(address->host, host, length);
	return 0;
}

static int parse_unix(struct address *address, const char *rest, struct gw_error *e)
{
	if (!*rest)
		return refuse(address->uri, "it names no path", e);
	if (strlen(rest) >= sizeof(address->path))
		return refuse(address->uri, "its path is longer than the 107 bytes that a socket's may have", e);
	memcpy(address->path, rest, strlen(rest) + 1);
	return 0;
}

static const struct scheme {
	const char *prefix;
	enum address_kind kind;
	int (*parse)(struct address *address, const char *rest, struct gw_error *e);
} schemes[] = {
	{ "tcp:", ADDRESS_TCP, parse_tcp },
	{ "unix:", ADDRESS_UNIX, parse_unix },
};

int address_parse(struct address *address, const char *uri, struct gw_error *e)
{
	*address = (struct address){ 0 };
	if (!uri)
		return refuse("(none)", "there is no address", e);
	if (strlen(uri) >= sizeof(address->uri))
		return refuse(uri, "it is too long", e);
	memcpy(address->uri, uri, strlen(uri) + 1);
	for (unsigned i = 0; i < ARRAY_SIZE(schemes); i++) {
		size_t length = strlen(schemes[i].prefix);

		if (strncmp(uri, schemes[i].prefix, length))
			continue;
		address->kind = schemes[i].kind;
		return schemes[i].parse(address, uri + length, e);
	}
	return refuse(uri, "it is of no known kind", e);
}

void address_set_port(struct address *address, uint16_t port)
{
	bool bracketed = strchr(address->host, ':');

	address->port = port;
	snprintf(address->uri, sizeof(address->uri), bracketed ? "tcp:[%s]:%u" : "tcp:%s:%u", address->host, port);
}
