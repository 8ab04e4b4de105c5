/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a channel goes: "tcp:HOST:PORT", "tcp:[IPV6]:PORT" or "unix:PATH", taken apart. No name is looked up here.
 */
#ifndef CHANNEL_ADDRESS_H
#define CHANNEL_ADDRESS_H

#include <godwit/error.h>
#include <stdint.h>

#define ADDRESS_HOST_BYTES 254 /* a DNS name is at most 253 characters */
#define ADDRESS_PATH_BYTES 108 /* sun_path of unix(7) */
#define ADDRESS_URI_BYTES  272

enum address_kind { ADDRESS_TCP, ADDRESS_UNIX };
#define NR_ADDRESS_KINDS 2

struct address {
	enum address_kind kind;
	uint16_t port;                 /* tcp; 0: any, for a listener */
	char host[ADDRESS_HOST_BYTES]; /* tcp, without brackets */
	char path[ADDRESS_PATH_BYTES]; /* unix */
	char uri[ADDRESS_URI_BYTES];   /* all of it, as address_parse would take it */
};

/* 0, or -EINVAL with a sentence that names the URI and the forms it may have. */
int address_parse(struct address *address, const char *uri, struct gw_error *e);

/* Changes the port, in the URI too. */
void address_set_port(struct address *address, uint16_t port);

#endif
