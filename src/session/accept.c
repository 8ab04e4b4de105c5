/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The acceptor: takes connections, one after the other, and asks each for its HELLO. Whatever does not speak the
 * protocol is dropped without harm to a migration that is on; whoever can be answered is told why it is not wanted.
 */
#include "session/destination.h"

#include "base/err.h"
#include "session/frame_io.h"

#include <errno.h>
#include <string.h>

#define HELLO_TIMEOUT_NS (3 * NS_PER_S)
#define HELLO_BODY_BYTES 256u

static int read_hello(struct channel *channel, struct message_hello *hello)
{
	uint8_t raw[FRAME_HEADER_BYTES], body[HELLO_BODY_BYTES];
	struct frame_header header;
	struct message message;
	uint64_t seq = 0;
	int ret = frame_io_receive_header(channel, &seq, raw, &header, NULL);

	if (ret)
		return ret;
	if (header.type != FRAME_HELLO || header.body_bytes > sizeof(body) || header.head_bytes != header.body_bytes)
		return -EPROTO;
	ret = channel_receive(channel, body, header.body_bytes, NULL);
	if (!ret && frame_sum(raw, body, header.body_bytes, NULL, 0) != header.sum)
		ret = -EBADMSG;
	if (!ret)
		ret = message_decode(FRAME_HELLO, body, header.body_bytes, &message);
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
		refuse(channel, REASON_BUSY, "it is already taking a guest from another source");
}

static void welcome_data(struct gw_destination *d, struct channel *channel, const struct message_hello *hello)
{
	pthread_mutex_lock(&d->door);
	if (d->data_open && !memcmp(hello->migration_id, d->hello.migration_id, MIGRATION_ID_BYTES) &&
	    hello->channel < d->hello.nr_channels && !d->receivers[hello->channel].started)
		receiver_start(&d->receivers[hello->channel], &d->receiving, take_fd(channel), d->core.limits.stall_ns,
			       NULL);
	pthread_mutex_unlock(&d->door);
}

static void welcome(struct gw_destination *d, struct channel *channel)
{
	struct message_hello hello;

	channel->receive_stall_ns = HELLO_TIMEOUT_NS;
	if (read_hello(channel, &hello))
		return;
	if (hello.role == ROLE_CONTROL)
		welcome_control(d, channel, &hello);
	else
		welcome_data(d, channel, &hello);
}

void *destination_accept(void *arg)
{
	struct gw_destination *d = arg;
	struct channel channel;
	int ret;

	do {
		channel_init(&channel, "incoming");
		ret = listener_accept(&d->listener, &channel, NULL);
		if (!ret)
			welcome(d, &channel);
		channel_close(&channel);
	} while (ret != -ECANCELED);
	return NULL;
}
