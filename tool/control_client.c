/* SPDX-License-Identifier: BSD-3-Clause */
/* A client of a control socket: see control_client.h. */
#include "control_client.h"

#include "json.h"
#include "now.h"
#include "say.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 60000 /* "check" goes through all of RAM */
#define SEND_TIMEOUT_S    10

static const char *connect_reason(int error)
{
	switch (error) {
	case ENOENT:
		return "there is no such socket (is it running?)";
	case ECONNREFUSED:
		return "nobody listens there (has it ended?)";
	default:
		return strerror(error);
	}
}

int control_client_open(struct control_client *client, const char *path, struct gw_error *e)
{
	struct timeval send_timeout = { .tv_sec = SEND_TIMEOUT_S };
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*client = (struct control_client){ .fd = -1, .path = path };
	if (strlen(path) >= sizeof(address.sun_path))
		return gw_error_set(e, -ENAMETOOLONG, path, "the path of a socket has at most %zu bytes",
				    sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	client->buffer = malloc(CONTROL_LINE_BYTES);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!client->buffer || client->fd < 0) {
		control_client_close(client);
		return gw_error_set(e, -ENOMEM, path, "no memory or no descriptor for a connection");
	}
	setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &send_timeout, sizeof(send_timeout));
	if (connect(client->fd, (struct sockaddr *)&address, sizeof(address))) {
		int error = errno;

		control_client_close(client);
		return gw_error_set(e, -error, path, "%s", connect_reason(error));
	}
	return 0;
}

void control_client_close(struct control_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->buffer);
	*client = (struct control_client)CONTROL_CLIENT_CLOSED;
}

static int send_all(struct control_client *client, const char *text, size_t length, struct gw_error *e)
{
	while (length) {
		ssize_t n = send(client->fd, text, length, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gw_error_set(e, -errno, client->path, "cannot send the command: %s", strerror(errno));
		text += n;
		length -= (size_t)n;
	}
	return 0;
}

int control_client_send(struct control_client *client, json_t *command, struct gw_error *e)
{
	char *text = command ? json_dumps(command, JSON_COMPACT) : NULL;
	int ret;

	json_decref(command);
	if (!text)
		return gw_error_set(e, -ENOMEM, client->path, "out of memory");
	ret = send_all(client, text, strlen(text), e);
	if (!ret)
		ret = send_all(client, "\n", 1, e);
	free(text);
	return ret;
}

/* Takes the first line out of the buffer: 1 and an object, 0 if no line is whole yet, or -errno. */
static int take_line(struct control_client *client, json_t **object, struct gw_error *e)
{
	char *end = memchr(client->buffer, '\n', client->filled);
	json_error_t why;

	if (!end && client->filled == CONTROL_LINE_BYTES)
		return gw_error_set(e, -EBADMSG, client->path, "it sent a line of more than %d bytes",
				    CONTROL_LINE_BYTES);
	if (!end)
		return 0;
	*object = json_loadb(client->buffer, (size_t)(end - client->buffer), JSON_REJECT_DUPLICATES, &why);
	client->filled -= (size_t)(end + 1 - client->buffer);
	memmove(client->buffer, end + 1, client->filled);
	if (!*object)
		return gw_error_set(e, -EBADMSG, client->path, "this is no control socket of godwit: %s", why.text);
	return 1;
}

static int fill(struct control_client *client, struct gw_error *e)
{
	ssize_t n =
		recv(client->fd, client->buffer + client->filled, CONTROL_LINE_BYTES - client->filled, MSG_DONTWAIT);

	if (n > 0) {
		client->filled += (size_t)n;
		return 0;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return gw_error_set(e, -EPIPE, client->path, "it hung up%s%s", n ? ": " : "", n ? strerror(errno) : "");
}

static int64_t now_ms(void)
{
	return (int64_t)(now_ns() / 1000000);
}

int control_client_receive(struct control_client *client, int timeout_ms, int stop_fd, json_t **object,
			   struct gw_error *e)
{
	struct pollfd fds[] = { { .fd = client->fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };
	int64_t deadline_ms = now_ms() + timeout_ms, left;
	int ret;

	for (;;) {
		ret = take_line(client, object, e);
		if (ret)
			return ret < 0 ? ret : 0;
		left = deadline_ms - now_ms();
		if (timeout_ms >= 0 && left < 0)
			return -ETIMEDOUT;
		fds[0].revents = fds[1].revents = 0;
		if (poll(fds, 2, timeout_ms < 0 ? -1 : (int)left) < 0 && errno != EINTR)
			return gw_error_set(e, -errno, client->path, "cannot wait for it: %s", strerror(errno));
		if (fds[1].revents)
			return -EINTR;
		ret = fds[0].revents ? fill(client, e) : 0;
		if (ret)
			return ret;
	}
}

/* "EPIPE" as its number. A name that this host does not know is an I/O error. */
static int error_number(const char *name)
{
	for (int i = 1; i < 200; i++) {
		const char *known = strerrorname_np(i);

		if (known && !strcmp(known, name))
			return i;
	}
	return EIO;
}

int control_client_error(const json_t *error, struct gw_error *e)
{
	const char *what = json_text(error, "what");

	return gw_error_set(e, -error_number(json_text(error, "code")), json_text(error, "where"), "%s",
			    what[0] ? what : "it refused without a reason");
}

json_t *control_client_error_object(const struct gw_error *e)
{
	const char *name = strerrorname_np(-e->code);

	return json_pack("{s:s, s:s, s:s}", "code", name ? name : "EIO", "where", e->where, "what", e->what);
}

int control_client_ask(struct control_client *client, json_t *command, json_t **answer, struct gw_error *e)
{
	json_t *object = NULL;
	int ret = control_client_send(client, command, e);

	if (!ret)
		ret = control_client_receive(client, ANSWER_TIMEOUT_MS, -1, &object, e);
	if (ret == -ETIMEDOUT)
		gw_error_set(e, ret, client->path, "it did not answer within %d s", ANSWER_TIMEOUT_MS / 1000);
	if (!ret && !json_true_at(object, "ok"))
		ret = control_client_error(json_object_get(object, "error"), e);
	if (!ret && answer)
		*answer = json_incref(object);
	json_decref(object);
	return ret;
}

int control_client_ask_once(const char *path, json_t *command, json_t **answer, struct gw_error *e)
{
	struct control_client client;
	int ret = control_client_open(&client, path, e);

	if (ret) {
		json_decref(command);
		return ret;
	}
	ret = control_client_ask(&client, command, answer, e);
	control_client_close(&client);
	return ret;
}
