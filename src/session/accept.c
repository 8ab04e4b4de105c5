/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The acceptor: takes connections and reads their HELLO, of many at a time, so that one who says nothing keeps nobody
 * out. Whoever has not said it whole in time, or does not speak the protocol, is dropped without harm to a migration
 * that is on; whoever can be answered is told why it is not wanted. One thread; newcomers are its own.
 */
#include "session/destination.h"

#include "base/bits.h"
#include "base/err.h"
#include "session/frame_io.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define HELLO_TIMEOUT_NS (3 * NS_PER_S)
#define HELLO_BODY_BYTES 256u
#define MAX_NEWCOMERS    32u               /* when one more comes, the oldest goes */
#define NO_FD_NS         (100 * NS_PER_MS) /* no connection can be taken: not asked for again before that */

/* A connection whose HELLO is not whole yet. */
struct newcomer {
	struct channel channel;
	uint64_t deadline_ns;
	size_t nr_bytes; /* that have come */
	uint8_t bytes[FRAME_HEADER_BYTES + HELLO_BODY_BYTES];
};

struct hall {
	struct newcomer *list[MAX_NEWCOMERS]; /* the oldest first */
	unsigned nr;
	uint64_t closed_until_ns; /* nobody is let in before */
};

/* How many bytes its HELLO has, as far as it is known. -EPROTO, -EBADMSG: this is none. */
static ssize_t hello_bytes(const struct newcomer *n)
{
	struct frame_header header;

	if (n->nr_bytes < FRAME_HEADER_BYTES)
		return FRAME_HEADER_BYTES;
	if (frame_header_decode(n->bytes, &header) || header.seq != 0)
		return -EBADMSG;
	if (header.type != FRAME_HELLO || header.body_bytes > HELLO_BODY_BYTES ||
	    header.head_bytes != header.body_bytes)
		return -EPROTO;
	return FRAME_HEADER_BYTES + header.body_bytes;
}

/* Takes what has come, and no byte of what follows. 0: HELLO is whole; -EAGAIN: not yet. */
static int read_hello(struct newcomer *n)
{
	ssize_t due = hello_bytes(n);

	while (due > 0 && n->nr_bytes < (size_t)due) {
		struct iovec iov = { .iov_base = n->bytes + n->nr_bytes, .iov_len = (size_t)due - n->nr_bytes };
		ssize_t got = n->channel.ops->receive(&n->channel, &iov, 1);

		if (got <= 0)
			return got ? (int)got : -EPIPE;
		n->nr_bytes += (size_t)got;
		due = hello_bytes(n);
	}
	return due < 0 ? (int)due : 0;
}

static int decode_hello(const struct newcomer *n, struct message_hello *hello)
{
	size_t body_bytes = n->nr_bytes - FRAME_HEADER_BYTES;
	const uint8_t *body = n->bytes + FRAME_HEADER_BYTES;
	struct frame_header header;
	struct message message;
	int ret = frame_header_decode(n->bytes, &header);

	if (!ret && frame_sum(n->bytes, body, body_bytes, NULL, 0) != header.sum)
		ret = -EBADMSG;
	if (!ret)
		ret = message_decode(FRAME_HELLO, body, body_bytes, &message);
	if (!ret)
		*hello = message.hello;
	return ret;
}

/* Answers a control channel that is not wanted. */
static void refuse(struct channel *channel, enum reason_code code, const char *what)
{
	uint8_t buf[FRAME_HEADER_BYTES + 1024];
	struct message message = { .type = FRAME_REFUSE };
	struct iovec iov = { .iov_base = buf };
	ssize_t n;

	reasons_add(&message.refuse, code, "destination", "%s", what);
	n = message_encode(&message, buf + FRAME_HEADER_BYTES, sizeof(buf) - FRAME_HEADER_BYTES);
	if (n < 0)
		return;
	iov.iov_len = frame_io_prepare(buf, FRAME_REFUSE, 0, buf + FRAME_HEADER_BYTES, (size_t)n, NULL, 0);
	channel_send(channel, &iov, 1, NULL);
}

/* The socket alone goes on: to another thread, with a struct channel of its own. */
static int take_fd(struct channel *channel)
{
	int fd = channel->fd;

	channel->fd = -1;
	return fd;
}

static void welcome_control(struct gw_destination *d, struct channel *channel, const struct message_hello *hello)
{
	bool mine;

	if (hello->version_min > WIRE_VERSION_MAX || hello->version_max < WIRE_VERSION_MIN) {
		refuse(channel, REASON_OTHER,
		       "it speaks another version of the protocol: use the same godwit release "
		       "on both sides");
		return;
	}
	pthread_mutex_lock(&d->door);
	mine = !d->busy;
	if (mine) {
		d->busy = true;
		d->hello = *hello;
		d->candidate = take_fd(channel);
	}
	pthread_mutex_unlock(&d->door);
	if (mine)
		note_post(&d->core.mailbox, &d->arrived);
	else
		refuse(channel, REASON_BUSY,
		       "it is taking a guest from another source, or has had one: one destination takes one guest");
}

/* The source of the migration at hand, whose channels broke. */
static void welcome_back(struct gw_destination *d, struct channel *channel, const struct message_hello *hello)
{
	bool mine;

	pthread_mutex_lock(&d->door);
	mine = d->rejoinable && d->candidate < 0 && hello->epoch > d->hello.epoch &&
	       !memcmp(hello->migration_id, d->hello.migration_id, MIGRATION_ID_BYTES);
	if (mine) {
		d->hello.epoch = hello->epoch;
		d->candidate = take_fd(channel);
	}
	pthread_mutex_unlock(&d->door);
	if (mine)
		note_post(&d->core.mailbox, &d->rejoined);
	else
		refuse(channel, REASON_OTHER, "it does not know this migration (any more)");
}

static void welcome_data(struct gw_destination *d, struct channel *channel, const struct message_hello *hello)
{
	pthread_mutex_lock(&d->door);
	if (d->data_open && !memcmp(hello->migration_id, d->hello.migration_id, MIGRATION_ID_BYTES) &&
	    hello->epoch == d->hello.epoch && hello->channel < d->hello.nr_channels &&
	    !d->receivers[hello->channel].started)
		receiver_start(&d->receivers[hello->channel], &d->receiving, take_fd(channel),
			       &d->lane_frames[hello->channel], d->core.limits.stall_ns, NULL);
	pthread_mutex_unlock(&d->door);
}

static void welcome(struct gw_destination *d, struct newcomer *n)
{
	struct message_hello hello;

	if (decode_hello(n, &hello))
		return;
	if (hello.role == ROLE_CONTROL)
		welcome_control(d, &n->channel, &hello);
	else if (hello.role == ROLE_RESUME)
		welcome_back(d, &n->channel, &hello);
	else
		welcome_data(d, &n->channel, &hello);
}

static void send_away(struct hall *hall, unsigned i)
{
	channel_close(&hall->list[i]->channel);
	free(hall->list[i]);
	hall->nr--;
	memmove(&hall->list[i], &hall->list[i + 1], (hall->nr - i) * sizeof(hall->list[0]));
}

/* Somebody is at the door. -ECANCELED: it is closed for good. */
static int let_in(struct gw_destination *d, struct hall *hall)
{
	uint64_t now_ns = clock_now_ns(&clock_monotonic);
	struct newcomer *n = calloc(1, sizeof(*n));
	int ret = -ENOMEM;

	if (n) {
		channel_init(&n->channel, "incoming");
		n->channel.receive_stall_ns = HELLO_TIMEOUT_NS;
		n->deadline_ns = now_ns + HELLO_TIMEOUT_NS;
		ret = listener_accept(&d->listener, &n->channel, NULL);
	}
	if (!ret && hall->nr == MAX_NEWCOMERS)
		send_away(hall, 0);
	if (!ret) {
		hall->list[hall->nr++] = n;
		return 0;
	}
	if (n)
		channel_close(&n->channel);
	free(n);
	if (ret != -ECANCELED)
		hall->closed_until_ns = now_ns + NO_FD_NS;
	return ret;
}

/* Listens to each who is here; has goes by their number. */
static void hear(struct gw_destination *d, struct hall *hall, const struct pollfd *has)
{
	uint64_t now_ns = clock_now_ns(&clock_monotonic);

	for (unsigned i = hall->nr; i-- > 0;) {
		struct newcomer *n = hall->list[i];
		int ret = has[i].revents ? read_hello(n) : -EAGAIN;

		if (!ret)
			welcome(d, n);
		if ((ret != -EAGAIN && ret != -EINTR) || now_ns >= n->deadline_ns)
			send_away(hall, i);
	}
}

/* Until somebody comes, says something, or has had his time. True: somebody is at the door. */
static bool wait_for_any(struct gw_destination *d, struct hall *hall)
{
	struct pollfd fds[MAX_NEWCOMERS + 1];
	uint64_t deadline_ns = hall->nr ? hall->list[0]->deadline_ns : DEADLINE_NEVER;
	bool open = clock_now_ns(&clock_monotonic) >= hall->closed_until_ns;
	unsigned nr = hall->nr;

	for (unsigned i = 0; i < nr; i++)
		fds[i] = (struct pollfd){ .fd = hall->list[i]->channel.fd, .events = POLLIN };
	fds[nr] = (struct pollfd){ .fd = d->listener.fd, .events = open ? POLLIN : 0 };
	if (!open)
		deadline_ns = min_u64(deadline_ns, hall->closed_until_ns);
	if (poll(fds, nr + 1, clock_poll_ms(&clock_monotonic, deadline_ns)) < 0)
		return false;
	hear(d, hall, fds);
	return fds[nr].revents;
}

void *destination_accept(void *arg)
{
	struct gw_destination *d = arg;
	struct hall hall = { 0 };
	int ret = 0;

	while (ret != -ECANCELED)
		ret = wait_for_any(d, &hall) ? let_in(d, &hall) : 0;
	while (hall.nr)
		send_away(&hall, 0);
	return NULL;
}
