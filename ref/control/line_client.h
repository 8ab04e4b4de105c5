/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A client of a control socket, the VM's or the device's: lines of JSON in, lines of JSON out, without ever waiting for
 * it. A line in is at most 64 KiB. What it does not read is kept for it up to a limit; beyond that it is let go.
 */
#ifndef REF_CONTROL_LINE_CLIENT_H
#define REF_CONTROL_LINE_CLIENT_H

#include <jansson.h>
#include <stddef.h>

#define LINE_CLIENT_IN_BYTES  (64u << 10)
#define LINE_CLIENT_OUT_BYTES (4u << 20)

struct line_client {
	int fd;       /* owned; -1: free slot */
	int at_end;   /* it sends no more */
	int gone;     /* to be closed: it hung up, or failed */
	int watching; /* it wants progress and a report */
	size_t in_bytes;
	size_t line_bytes; /* at the start of in: the line handed out */
	size_t out_bytes;
	char *in;
	char *out;
};

/* Takes the fd over, also on failure. */
int line_client_open(struct line_client *client, int fd);
void line_client_close(struct line_client *client);

/* Reads what is there. */
void line_client_receive(struct line_client *client);

/* The next line, without its newline, as a string until the next call: 1; 0: none; -EMSGSIZE: too long, no more is
 * read. */
int line_client_next(struct line_client *client, char **line);

/* Sends value as one line, now or later. */
void line_client_send(struct line_client *client, const json_t *value);
void line_client_flush(struct line_client *client);

/* Nothing will come of it any more. */
int line_client_done(const struct line_client *client);

#endif
