/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of the control socket. */
#include "ref/control/line_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int line_client_open(struct line_client *client, int fd)
{
	*client = (struct line_client){ .fd = fd, .in = malloc(LINE_CLIENT_IN_BYTES) };
	if (client->in)
		return 0;
	line_client_close(client);
	return -ENOMEM;
}

void line_client_close(struct line_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->in);
	free(client->out);
	*client = (struct line_client){ .fd = -1 };
}

void line_client_receive(struct line_client *client)
{
	ssize_t n =
		recv(client->fd, client->in + client->in_bytes, LINE_CLIENT_IN_BYTES - client->in_bytes, MSG_DONTWAIT);

	if (n > 0)
		client->in_bytes += (size_t)n;
	else if (!n)
		client->at_end = 1;
	else if (errno != EAGAIN && errno != EINTR)
		client->gone = 1;
}

/* Drops the line that was handed out last. */
static void drop_line(struct line_client *client)
{
	client->in_bytes -= client->line_bytes;
	memmove(client->in, client->in + client->line_bytes, client->in_bytes);
	client->line_bytes = 0;
}

int line_client_next(struct line_client *client, char **line)
{
	char *end;

	drop_line(client);
	end = memchr(client->in, '\n', client->in_bytes);
	if (!end && client->in_bytes == LINE_CLIENT_IN_BYTES) {
		client->in_bytes = 0;
		client->at_end = 1;
		return -EMSGSIZE;
	}
	if (!end)
		return 0;
	*end = '\0';
	*line = client->in;
	client->line_bytes = (size_t)(end + 1 - client->in);
	return 1;
}

void line_client_flush(struct line_client *client)
{
	ssize_t n;

	if (!client->out_bytes || client->gone)
		return;
	n = send(client->fd, client->out, client->out_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0) {
		client->gone = errno != EAGAIN && errno != EINTR;
		return;
	}
	client->out_bytes -= (size_t)n;
	memmove(client->out, client->out + n, client->out_bytes);
}

void line_client_send(struct line_client *client, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(15));
	size_t length = text ? strlen(text) : 0;
	char *out = NULL;

	if (client->out_bytes + length < LINE_CLIENT_OUT_BYTES)
		out = realloc(client->out, client->out_bytes + length + 1);
	if (!text || !out) {
		client->gone = 1;
		free(text);
		return;
	}
	client->out = out;
	memcpy(out + client->out_bytes, text, length);
	out[client->out_bytes + length] = '\n';
	client->out_bytes += length + 1;
	free(text);
	line_client_flush(client);
}

int line_client_done(const struct line_client *client)
{
	return client->gone || (client->at_end && !client->out_bytes && !client->watching);
}
