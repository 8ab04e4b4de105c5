/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of a control socket, a VM's or a device's (doc/json.md): one JSON object a line, both ways. What comes is
 * bounded: a line is at most CONTROL_LINE_BYTES, and every wait has a deadline. One thread; the caller owns the struct.
 */
#ifndef TOOL_CONTROL_CLIENT_H
#define TOOL_CONTROL_CLIENT_H

#include <godwit/error.h>
#include <jansson.h>
#include <stddef.h>

#define CONTROL_LINE_BYTES (1 << 20)

struct control_client {
	int fd;
	char *buffer; /* CONTROL_LINE_BYTES */
	size_t filled;
	const char *path; /* for sentences; the caller's */
};

#define CONTROL_CLIENT_CLOSED \
	{                     \
		.fd = -1      \
	}

int control_client_open(struct control_client *client, const char *path, struct gw_error *e);
void control_client_close(struct control_client *client); /* closed already: fine */

/* Sends a command; takes over the reference, NULL (out of memory) included. */
int control_client_send(struct control_client *client, json_t *command, struct gw_error *e);

/*
 * Waits for one object. timeout_ms < 0: for ever. stop_fd may be -1; readable, it ends the wait with -EINTR.
 * -ETIMEDOUT and -EINTR leave *e alone; others, -EPIPE (it hung up) among them, set it.
 */
int control_client_receive(struct control_client *client, int timeout_ms, int stop_fd, json_t **object,
			   struct gw_error *e);

/* Sends and waits for the answer. "ok": false becomes the error that it holds. answer may be NULL. */
int control_client_ask(struct control_client *client, json_t *command, json_t **answer, struct gw_error *e);

/* The same on a connection of its own. */
int control_client_ask_once(const char *path, json_t *command, json_t **answer, struct gw_error *e);

/* The error object of an answer or a report as a record. */
int control_client_error(const json_t *error, struct gw_error *e);
json_t *control_client_error_object(const struct gw_error *e); /* and back */

#endif
