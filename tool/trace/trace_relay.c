/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One vfio-user connection passed on: see trace_relay.h. A message is kept whole until all of it is there and sent at
 * once, since some servers take one with a single receive; a longer one than that is passed on piece by piece.
 */
#include "trace_relay.h"

#include "tool/now.h"
#include "trace_line.h"
#include "trace_pending.h"
#include "trace_socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NAME_BYTES     32
#define HEADER_BYTES   16u
#define MAX_KEPT_BYTES (4u << 20) /* of one message */
#define GROW_BYTES     (64u << 10)

#define TYPE_MASK       0xfu
#define TYPE_REPLY      1u
#define NO_REPLY        (1u << 4)
#define COMMAND_VERSION 1

enum side { CLIENT, SERVER, NR_SIDES };

struct header {
	uint16_t msg_id, command;
	uint32_t size, flags;
};

/* One way through a relay: what `from` sends. */
struct way {
	struct trace_relay *relay;
	enum side from;
	pthread_t thread;
	uint8_t *buf; /* of room_bytes; used of them hold the message */
	size_t room_bytes, used;
	struct trace_fds fds; /* that came with it */
	struct trace_command request;
};

struct trace_relay {
	char name[NAME_BYTES];
	struct trace_relay_owner owner;
	int fds[NR_SIDES];
	struct way ways[NR_SIDES];
	struct trace_pending pending[NR_SIDES]; /* by who sent the commands */
	int nr_ended;                           /* atomic: ways that carry no more */
};

void trace_relay_note(struct trace_file *file, const char *name, const char *sentence)
{
	struct gw_trace_call call = {
		.size = sizeof(call),
		.began_ns = now_ns(),
		.device = name,
		.kind = TRACE_NOTE,
		.name = sentence,
	};

	trace_file_write(file, &call);
}

static void note(struct way *way, const char *sentence)
{
	trace_relay_note(way->relay->owner.file, way->relay->name, sentence);
}

static void add_number(struct gw_trace_field *fields, uint32_t *nr, const char *name, uint64_t number)
{
	if (number && *nr < GW_TRACE_MAX_FIELDS)
		fields[(*nr)++] = (struct gw_trace_field){ .name = name, .number = number };
}

/* A call that `from` began: with the reply's bytes, or alone. */
static void write_call(struct way *way, struct gw_trace_call *call, enum side from, uint64_t began_ns, uint32_t nr_fds)
{
	add_number(call->arguments, &call->nr_arguments, "fds", nr_fds);
	call->device = way->relay->name;
	call->kind = from == SERVER ? "command" : "message";
	call->began_ns = began_ns;
	call->took_ns = now_ns() - began_ns;
	trace_file_write(way->relay->owner.file, call);
}

static void trace_command(struct way *way, const struct header *header, uint64_t began_ns)
{
	struct gw_trace_call call;
	char room[GW_TRACE_ROOM_BYTES];

	if (!(header->flags & NO_REPLY))
		trace_pending_put(&way->relay->pending[way->from], header->msg_id, way->buf, way->used, way->fds.nr,
				  began_ns);
	else if (!gw_trace_decode(way->buf, way->used, NULL, 0, &call, room))
		write_call(way, &call, way->from, began_ns, way->fds.nr);
}

static void trace_reply(struct way *way, const struct header *header, uint64_t began_ns)
{
	enum side asked = way->from == SERVER ? CLIENT : SERVER;
	struct gw_trace_call call;
	char room[GW_TRACE_ROOM_BYTES];

	if (!trace_pending_take(&way->relay->pending[asked], header->msg_id, &way->request)) {
		note(way, "a reply to nothing that was asked");
		way->request = (struct trace_command){ .began_ns = began_ns };
	}
	if (gw_trace_decode(way->buf, way->used, way->request.bytes, way->request.size_bytes, &call, room))
		return;
	add_number(call.answers, &call.nr_answers, "fds", way->fds.nr);
	write_call(way, &call, asked, way->request.began_ns, way->request.nr_fds);
}

/* Sockets of the protocol's own come with the server's VERSION; one that comes at another time is passed on as it is.
 */
static void swap_sockets(struct way *way, const struct header *header)
{
	const struct trace_relay_owner *owner = &way->relay->owner;
	bool agreed = way->from == SERVER && header->command == COMMAND_VERSION;

	for (unsigned i = 0; i < way->fds.nr; i++) {
		int fd = -1;

		if (!trace_socket_is_stream(way->fds.list[i]))
			continue;
		if (agreed)
			fd = owner->handed_out(owner->ctx, way->fds.list[i]);
		if (fd >= 0)
			way->fds.list[i] = fd;
		else
			note(way, "a socket is passed on that is not traced");
	}
}

/* Fills the buffer to size_bytes. -EPIPE: the end. */
static int fill(struct way *way, size_t size_bytes)
{
	while (way->used < size_bytes) {
		size_t more = size_bytes - way->used;
		int n;

		more = more < GROW_BYTES ? more : GROW_BYTES;
		if (way->room_bytes < way->used + more) { /* as it comes, not as it is promised */
			size_t room = 2 * way->room_bytes + more;
			uint8_t *buf = realloc(way->buf, room);

			if (!buf)
				return -ENOMEM;
			way->buf = buf;
			way->room_bytes = room;
		}
		n = trace_socket_receive(way->relay->fds[way->from], way->buf + way->used, more, &way->fds);
		if (n < 0)
			return n;
		way->used += (size_t)n;
	}
	return 0;
}

static int pass_on(struct way *way)
{
	int ret = trace_socket_send(way->relay->fds[way->from == SERVER ? CLIENT : SERVER], way->buf, way->used,
				    &way->fds);

	trace_fds_close(&way->fds);
	way->used = 0;
	return ret;
}

/* left_bytes more, which nobody looks at. */
static int pass_rest(struct way *way, uint64_t left_bytes)
{
	int ret = 0;

	while (!ret && left_bytes) {
		size_t piece = left_bytes < GROW_BYTES ? left_bytes : GROW_BYTES;

		ret = fill(way, piece);
		if (!ret)
			ret = pass_on(way);
		left_bytes -= piece;
	}
	return ret;
}

/* From here on there are no messages any more, only bytes. */
static int pass_blindly(struct way *way)
{
	int ret;

	note(way, way->from == SERVER ? "the server sent what is no message: no more of it is decoded"
				      : "the client sent what is no message: no more of it is decoded");
	ret = pass_on(way);
	while (!ret) {
		ret = fill(way, 1);
		if (!ret)
			ret = pass_on(way);
	}
	return ret;
}

static struct header read_header(const uint8_t *buf)
{
	struct header header;

	memcpy(&header.msg_id, buf, sizeof(header.msg_id));
	memcpy(&header.command, buf + 2, sizeof(header.command));
	memcpy(&header.size, buf + 4, sizeof(header.size));
	memcpy(&header.flags, buf + 8, sizeof(header.flags));
	return header;
}

/* One message, traced: a command before it goes on, so that its reply cannot come too early. */
static int carry(struct way *way)
{
	struct header header;
	uint64_t began_ns;
	size_t kept;
	int ret = fill(way, HEADER_BYTES);

	if (ret)
		return ret;
	header = read_header(way->buf);
	if (header.size < HEADER_BYTES || (header.flags & TYPE_MASK) > TYPE_REPLY)
		return pass_blindly(way);
	kept = header.size < MAX_KEPT_BYTES ? header.size : MAX_KEPT_BYTES;
	ret = fill(way, kept);
	if (ret)
		return ret;
	began_ns = now_ns();
	if ((header.flags & TYPE_MASK) == TYPE_REPLY)
		trace_reply(way, &header, began_ns);
	else
		trace_command(way, &header, began_ns);
	swap_sockets(way, &header);
	ret = pass_on(way);
	return ret ? ret : pass_rest(way, header.size - kept);
}

/* What was asked and never answered is told when there is no more to come. */
static void trace_unanswered(struct way *way)
{
	struct gw_trace_call call;
	char room[GW_TRACE_ROOM_BYTES];

	for (enum side from = CLIENT; from < NR_SIDES; from++)
		while (trace_pending_take_oldest(&way->relay->pending[from], &way->request)) {
			if (gw_trace_decode(way->request.bytes, way->request.size_bytes, NULL, 0, &call, room))
				continue;
			call.result = -EPIPE;
			write_call(way, &call, from, way->request.began_ns, way->request.nr_fds);
		}
}

static void *run_way(void *arg)
{
	struct way *way = arg;
	struct trace_relay *relay = way->relay;
	int ret;

	do
		ret = carry(way);
	while (!ret);
	if (ret == -ENOMEM)
		note(way, "no memory for a message: the connection is closed");
	trace_fds_close(&way->fds);
	trace_relay_stop(relay);
	if (__atomic_add_fetch(&relay->nr_ended, 1, __ATOMIC_ACQ_REL) == NR_SIDES) {
		trace_unanswered(way);
		relay->owner.ended(relay->owner.ctx);
	}
	return NULL;
}

/* What was sent before is still delivered: shutdown(2) ends the reading and what comes after. */
void trace_relay_stop(struct trace_relay *relay)
{
	for (enum side side = CLIENT; side < NR_SIDES; side++)
		shutdown(relay->fds[side], SHUT_RDWR);
}

static void destroy(struct trace_relay *relay)
{
	for (enum side side = CLIENT; side < NR_SIDES; side++) {
		close(relay->fds[side]);
		free(relay->ways[side].buf);
		trace_pending_fini(&relay->pending[side]);
	}
	free(relay);
}

/* With one thread only, the other's share of the end is done here. */
static int start_threads(struct trace_relay *relay)
{
	int ret = -pthread_create(&relay->ways[CLIENT].thread, NULL, run_way, &relay->ways[CLIENT]);

	if (ret)
		return ret;
	ret = -pthread_create(&relay->ways[SERVER].thread, NULL, run_way, &relay->ways[SERVER]);
	if (ret) {
		trace_relay_stop(relay);
		pthread_join(relay->ways[CLIENT].thread, NULL);
	}
	return ret;
}

int trace_relay_start(struct trace_relay **relay, const char *name, int client_fd, int server_fd,
		      const struct trace_relay_owner *owner)
{
	struct trace_relay *new = calloc(1, sizeof(*new));
	int ret;

	*relay = NULL;
	if (!new || trace_pending_init(&new->pending[CLIENT])) {
		free(new);
		close(client_fd);
		close(server_fd);
		return -ENOMEM;
	}
	snprintf(new->name, sizeof(new->name), "%s", name);
	new->owner = *owner;
	new->fds[CLIENT] = client_fd;
	new->fds[SERVER] = server_fd;
	for (enum side side = CLIENT; side < NR_SIDES; side++) {
		new->ways[side].relay = new;
		new->ways[side].from = side;
	}
	ret = trace_pending_init(&new->pending[SERVER]);
	if (!ret)
		ret = start_threads(new);
	if (ret)
		destroy(new);
	else
		*relay = new;
	return ret;
}

void trace_relay_free(struct trace_relay *relay)
{
	for (enum side side = CLIENT; side < NR_SIDES; side++)
		pthread_join(relay->ways[side].thread, NULL);
	destroy(relay);
}
