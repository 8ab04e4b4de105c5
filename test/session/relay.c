/* SPDX-License-Identifier: BSD-3-Clause */
/* A wire that can be broken. Sockets are shut down from any thread and closed only after all threads have ended. */
#include "relay.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define COPY_BYTES ((size_t)64 << 10)

struct copier {
	struct relay *relay;
	unsigned connection;
	enum relay_way way;
	int from, to;
	pthread_t thread;
	bool started;
	uint64_t offset; /* bytes of this stream that came so far */
	uint8_t buf[COPY_BYTES];
};

struct relay {
	struct relay_plan plan;
	struct sockaddr_un listen, connect;
	int listener;
	pthread_t acceptor;
	bool accepting;
	pthread_mutex_t lock; /* guards the next two */
	pthread_cond_t changed;
	bool stopping, harmed;

	/* the acceptor's until it is joined */
	unsigned nr_connections;
	int fds[RELAY_CONNECTIONS][RELAY_NR_WAYS]; /* a connection's two sockets, by what they lead to */
	struct copier *copiers[RELAY_CONNECTIONS][RELAY_NR_WAYS];
};

const char *const relay_harm_names[RELAY_NR_HARMS] = {
	[RELAY_NO_HARM] = "nothing", [RELAY_FLIP] = "flip",     [RELAY_CUT] = "cut",     [RELAY_INSERT] = "insert",
	[RELAY_DROP] = "drop",       [RELAY_REPEAT] = "repeat", [RELAY_STALL] = "stall",
};

static int send_all(int fd, const uint8_t *bytes, size_t nr)
{
	while (nr) {
		ssize_t n = send(fd, bytes, nr, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		bytes += n;
		nr -= (size_t)n;
	}
	return 0;
}

static void cut(const struct copier *c)
{
	shutdown(c->from, SHUT_RDWR);
	shutdown(c->to, SHUT_RDWR);
}

static void wait_for_stop(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	while (!r->stopping)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
}

static int insert(const struct copier *c)
{
	const struct relay_plan *p = &c->relay->plan;
	uint8_t bytes[RELAY_HARM_BYTES];
	unsigned seed = (unsigned)p->random;

	for (size_t i = 0; i < p->nr_bytes; i++)
		bytes[i] = (uint8_t)(rand_r(&seed) >> 8);
	return send_all(c->to, bytes, p->nr_bytes);
}

/* What becomes of the nr bytes from the byte of the harm on. */
static int harm(const struct copier *c, uint8_t *bytes, size_t nr)
{
	const struct relay_plan *p = &c->relay->plan;
	size_t some = p->nr_bytes < nr ? p->nr_bytes : nr;

	switch (p->harm) {
	case RELAY_FLIP:
		bytes[0] ^= (uint8_t)(1u << p->random % 8);
		return send_all(c->to, bytes, nr);
	case RELAY_INSERT:
		return insert(c) ? -1 : send_all(c->to, bytes, nr);
	case RELAY_DROP:
		return send_all(c->to, bytes + some, nr - some);
	case RELAY_REPEAT:
		return send_all(c->to, bytes, some) ? -1 : send_all(c->to, bytes, nr);
	case RELAY_STALL:
		wait_for_stop(c->relay);
		return -1;
	default:
		cut(c);
		return -1;
	}
}

static bool is_harmed_here(const struct copier *c, size_t nr)
{
	const struct relay_plan *p = &c->relay->plan;

	return p->harm != RELAY_NO_HARM && p->connection == c->connection && p->way == c->way &&
	       p->offset >= c->offset && p->offset - c->offset < nr;
}

static void note_harm(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	r->harmed = true;
	pthread_mutex_unlock(&r->lock);
}

static int pass_on(struct copier *c, size_t nr)
{
	size_t before = nr;
	int ret;

	if (is_harmed_here(c, nr))
		before = c->relay->plan.offset - c->offset;
	ret = send_all(c->to, c->buf, before);
	if (!ret && before < nr) {
		note_harm(c->relay);
		ret = harm(c, c->buf + before, nr - before);
	}
	c->offset += nr;
	return ret;
}

static void *copy(void *arg)
{
	struct copier *c = arg;
	ssize_t n;
	int ret = 0;

	while (!ret && (n = recv(c->from, c->buf, sizeof(c->buf), 0)) > 0)
		ret = pass_on(c, (size_t)n);
	if (ret)
		cut(c);
	else
		shutdown(c->to, SHUT_WR);
	return NULL;
}

static void start_copier(struct relay *r, unsigned connection, enum relay_way way)
{
	struct copier *c = calloc(1, sizeof(*c));

	r->copiers[connection][way] = c;
	if (!c)
		return;
	c->relay = r;
	c->connection = connection;
	c->way = way;
	c->to = r->fds[connection][way];
	c->from = r->fds[connection][!way];
	c->started = !pthread_create(&c->thread, NULL, copy, c);
}

static void *accept_all(void *arg)
{
	struct relay *r = arg;
	int fd;

	while (r->nr_connections < RELAY_CONNECTIONS && (fd = accept(r->listener, NULL, NULL)) >= 0) {
		unsigned i = r->nr_connections++;
		int on = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		r->fds[i][RELAY_TO_SOURCE] = fd;
		r->fds[i][RELAY_TO_DESTINATION] = on;
		if (connect(on, (const struct sockaddr *)&r->connect, sizeof(r->connect))) {
			shutdown(fd, SHUT_RDWR);
			continue;
		}
		start_copier(r, i, RELAY_TO_DESTINATION);
		start_copier(r, i, RELAY_TO_SOURCE);
	}
	return NULL;
}

static void address_of(struct sockaddr_un *un, const char *path)
{
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
}

struct relay *relay_start(const char *listen_path, const char *connect_path, const struct relay_plan *plan)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->plan = *plan;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	address_of(&r->listen, listen_path);
	address_of(&r->connect, connect_path);
	unlink(listen_path);
	r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!bind(r->listener, (const struct sockaddr *)&r->listen, sizeof(r->listen)) &&
	    !listen(r->listener, RELAY_CONNECTIONS))
		r->accepting = !pthread_create(&r->acceptor, NULL, accept_all, r);
	if (r->accepting)
		return r;
	relay_stop(r);
	return NULL;
}

bool relay_has_harmed(struct relay *r)
{
	bool harmed;

	pthread_mutex_lock(&r->lock);
	harmed = r->harmed;
	pthread_mutex_unlock(&r->lock);
	return harmed;
}

static void close_connection(struct relay *r, unsigned i)
{
	for (int way = 0; way < RELAY_NR_WAYS; way++)
		shutdown(r->fds[i][way], SHUT_RDWR);
	for (int way = 0; way < RELAY_NR_WAYS; way++) {
		struct copier *c = r->copiers[i][way];

		if (c && c->started)
			pthread_join(c->thread, NULL);
		free(c);
	}
	for (int way = 0; way < RELAY_NR_WAYS; way++)
		close(r->fds[i][way]);
}

void relay_stop(struct relay *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->stopping = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	shutdown(r->listener, SHUT_RDWR);
	if (r->accepting)
		pthread_join(r->acceptor, NULL);
	for (unsigned i = 0; i < r->nr_connections; i++)
		close_connection(r, i);
	close(r->listener);
	unlink(r->listen.sun_path);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
