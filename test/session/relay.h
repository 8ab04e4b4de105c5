/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A wire that can be broken: listens on a UNIX socket, connects on for every connection that comes, copies both ways,
 * and does one harm at one byte of one connection in one direction. A thread takes connections, two copy each. The
 * first connection is the control channel, the data channels follow in their order.
 */
#ifndef TEST_RELAY_H
#define TEST_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RELAY_CONNECTIONS 32   /* the source may come back several times */
#define RELAY_HARM_BYTES  4096 /* at most */

enum relay_harm {
	RELAY_NO_HARM,
	RELAY_FLIP,   /* a bit */
	RELAY_CUT,    /* both sockets closed */
	RELAY_INSERT, /* bytes that nobody sent */
	RELAY_DROP,
	RELAY_REPEAT,
	RELAY_STALL, /* for ever: nothing more passes this way, the end of the connection neither */
	RELAY_NR_HARMS,
};

enum relay_way { RELAY_TO_DESTINATION, RELAY_TO_SOURCE, RELAY_NR_WAYS };

struct relay_plan {
	enum relay_harm harm;
	enum relay_way way;
	unsigned connection;
	uint64_t offset; /* of the stream of that connection and way */
	size_t nr_bytes; /* inserted, dropped, repeated: at least 1; less where less is there at once */
	uint64_t random; /* which bit; which bytes are inserted */
};

struct relay;

/* NULL: no memory, or listen_path cannot be listened on. It owns the socket file. */
struct relay *relay_start(const char *listen_path, const char *connect_path, const struct relay_plan *plan);

/* The byte came along, and the harm is done. Any time before the stop. */
bool relay_has_harmed(struct relay *relay);

/* Closes every connection, joins, frees. NULL is fine. */
void relay_stop(struct relay *relay);

extern const char *const relay_harm_names[RELAY_NR_HARMS];

#endif
