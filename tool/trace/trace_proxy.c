/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Between the clients and the server of a device: see trace_proxy.h. A client is a main connection and the sockets that
 * the server handed out for it, which end with it. This thread accepts and waits; the relays have their own.
 */
#include "trace_proxy.h"

#include "tool/say.h"
#include "trace_relay.h"
#include "trace_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_RELAYS 5 /* of a client: the main one, and what a server hands out */
#define NAME_BYTES 32

struct client {
	struct trace_file *file;
	char name[NAME_BYTES];
	int ended_fd; /* readable when the main connection has ended */

	pthread_mutex_t lock; /* what follows: a relay's thread makes new ones */
	struct trace_relay *relays[MAX_RELAYS];
	unsigned nr_relays;
	bool leaving;
};

static void main_ended(void *ctx)
{
	struct client *client = ctx;

	eventfd_write(client->ended_fd, 1);
}

static void side_ended(void *ctx)
{
}

static int nothing_handed_out(void *ctx, int fd)
{
	return -1;
}

/* With the lock held: a relay for a copy of the server's socket, the other end of which goes to the client. */
static int relay_side(struct client *client, int server_fd)
{
	struct trace_relay_owner owner = {
		.file = client->file,
		.handed_out = nothing_handed_out,
		.ended = side_ended,
	};
	char name[NAME_BYTES + 16];
	int own, ends[2];

	if (client->leaving || client->nr_relays == MAX_RELAYS)
		return -1;
	own = fcntl(server_fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends)) {
		close(own);
		return -1;
	}
	snprintf(name, sizeof(name), "%s/socket%u", client->name, client->nr_relays);
	if (trace_relay_start(&client->relays[client->nr_relays], name, ends[0], own, &owner)) {
		close(ends[1]);
		return -1;
	}
	client->nr_relays++;
	return ends[1];
}

static int handed_out(void *ctx, int fd)
{
	struct client *client = ctx;
	int other;

	pthread_mutex_lock(&client->lock);
	other = relay_side(client, fd);
	pthread_mutex_unlock(&client->lock);
	if (other >= 0)
		close(fd);
	return other;
}

static void end_relays(struct client *client)
{
	pthread_mutex_lock(&client->lock);
	client->leaving = true;
	for (unsigned i = 0; i < client->nr_relays; i++)
		trace_relay_stop(client->relays[i]);
	pthread_mutex_unlock(&client->lock);
	for (unsigned i = 0; i < client->nr_relays; i++)
		trace_relay_free(client->relays[i]);
}

/* Both are readable at times; 1: to stop, 0: the other one. */
static int wait_for(int fd, int stop_fd)
{
	struct pollfd pollers[] = { { .fd = fd, .events = POLLIN }, { .fd = stop_fd, .events = POLLIN } };

	while (poll(pollers, 2, -1) < 0)
		if (errno != EINTR)
			return 1;
	return pollers[1].revents != 0;
}

/* Until the client, or the server, has had enough, or a signal comes. Takes both fds over. */
static int serve(struct client *client, int client_fd, int server_fd, int stop_fd)
{
	struct trace_relay_owner owner = {
		.file = client->file,
		.handed_out = handed_out,
		.ended = main_ended,
		.ctx = client,
	};
	int ret;

	client->ended_fd = eventfd(0, EFD_CLOEXEC);
	pthread_mutex_init(&client->lock, NULL);
	pthread_mutex_lock(&client->lock);
	ret = trace_relay_start(&client->relays[0], client->name, client_fd, server_fd, &owner);
	client->nr_relays = ret ? 0 : 1;
	pthread_mutex_unlock(&client->lock);
	if (!ret)
		wait_for(client->ended_fd, stop_fd);
	else
		trace_relay_note(client->file, client->name, "no memory or no thread to serve it");
	end_relays(client);
	pthread_mutex_destroy(&client->lock);
	close(client->ended_fd);
	return ret;
}

static void take_client(int client_fd, const char *server_path, unsigned number, struct trace_file *file, int stop_fd)
{
	struct client client = { .file = file };
	char sentence[256];
	int server_fd;

	snprintf(client.name, sizeof(client.name), "client%u", number);
	trace_relay_note(file, client.name, "came");
	server_fd = trace_socket_connect(server_path);
	if (server_fd < 0) {
		snprintf(sentence, sizeof(sentence), "sent away: cannot connect to the server at %s: %s", server_path,
			 strerror(-server_fd));
		trace_relay_note(file, client.name, sentence);
		close(client_fd);
		return;
	}
	serve(&client, client_fd, server_fd, stop_fd);
	trace_relay_note(file, client.name, "left");
}

int trace_proxy_run(const char *server_path, const char *listen_path, struct trace_file *file, int stop_fd,
		    struct gw_error *e)
{
	int listen_fd = trace_socket_listen(listen_path);
	char sentence[256];

	if (listen_fd < 0)
		return gw_error_set(e, listen_fd, listen_path, "cannot listen there: %s", strerror(-listen_fd));
	snprintf(sentence, sizeof(sentence), "waiting for clients at %s", listen_path);
	trace_relay_note(file, "godwit", sentence);
	for (unsigned number = 1; !trace_file_failed(file) && !wait_for(listen_fd, stop_fd); number++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			take_client(fd, server_path, number, file, stop_fd);
	}
	unlink(listen_path);
	close(listen_fd);
	return 0;
}
