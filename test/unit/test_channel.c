/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels over TCP and unix sockets: whole pieces through, each way to fail, and waking those who wait. */
#include "channel/channel.h"
#include "channel/listener.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

#define BIG_BYTES (8u << 20) /* more than any socket buffer */

struct pair {
	struct place place;
	struct listener listener;
	struct channel a, b;
};

static struct pair *pair_new(enum address_kind kind)
{
	struct pair *p = calloc(1, sizeof(*p));
	struct gw_error e = GW_ERROR_NONE;
	uint64_t deadline_ns = clock_deadline_ns(&clock_monotonic, 20 * NS_PER_S);

	place_open(&p->place, kind);
	channel_init(&p->a, "channel a");
	channel_init(&p->b, "channel b");
	assert_int_equal(listener_open(&p->listener, &p->place.address, &e), 0);
	assert_int_equal(channel_connect(&p->a, &p->listener.address, &clock_monotonic, deadline_ns, &e), 0);
	assert_int_equal(listener_accept(&p->listener, &p->b, &e), 0);
	return p;
}

static void pair_free(struct pair *p)
{
	channel_close(&p->a);
	channel_close(&p->b);
	channel_close(&p->b);
	listener_close(&p->listener);
	listener_close(&p->listener);
	place_close(&p->place);
	free(p);
}

static int pair_setup_tcp(void **state)
{
	*state = pair_new(ADDRESS_TCP);
	return 0;
}

static int pair_setup_unix(void **state)
{
	*state = pair_new(ADDRESS_UNIX);
	return 0;
}

static int pair_teardown(void **state)
{
	pair_free(*state);
	return 0;
}

struct call {
	pthread_t thread;
	struct channel *channel;
	uint8_t *buf;
	size_t size_bytes;
	struct gw_error e;
	int ret;
};

static void *run_send(void *arg)
{
	struct call *call = arg;
	struct iovec iov[3] = {
		{ call->buf, 1 },
		{ NULL, 0 },
		{ call->buf + 1, call->size_bytes - 1 },
	};

	call->ret = channel_send(call->channel, iov, 3, &call->e);
	return NULL;
}

static void *run_receive(void *arg)
{
	struct call *call = arg;

	call->ret = channel_receive(call->channel, call->buf, call->size_bytes, &call->e);
	return NULL;
}

static void call_start(struct call *call, void *(*run)(void *arg), struct channel *channel, size_t size_bytes)
{
	*call = (struct call){ .channel = channel, .buf = calloc(1, size_bytes), .size_bytes = size_bytes };
	for (size_t i = 0; i < size_bytes; i++)
		call->buf[i] = (uint8_t)(i * 7 + i / 4096);
	assert_int_equal(pthread_create(&call->thread, NULL, run, call), 0);
}

static int call_end(struct call *call)
{
	pthread_join(call->thread, NULL);
	free(call->buf);
	call->buf = NULL;
	return call->ret;
}

static void pieces_go_through_whole(void **state)
{
	uint8_t *got = calloc(1, BIG_BYTES);
	struct iovec iov[1500]; /* more than the kernel takes at once */
	struct pair *p = *state;
	struct call call;

	call_start(&call, run_send, &p->a, BIG_BYTES);
	for (unsigned i = 0; i < 1500; i++)
		iov[i] = (struct iovec){ got + i * 1000, 1000 };
	assert_int_equal(channel_receive_iov(&p->b, iov, 1500, NULL), 0);
	assert_int_equal(channel_receive(&p->b, got + 1500000, BIG_BYTES - 1500000, NULL), 0);
	pthread_join(call.thread, NULL);
	assert_int_equal(call.ret, 0);
	assert_memory_equal(got, call.buf, BIG_BYTES);
	assert_int_equal(channel_sent(&p->a), BIG_BYTES);
	assert_int_equal(channel_received(&p->b), BIG_BYTES);
	free(call.buf);
	free(got);
}

static void both_directions_at_once(void **state)
{
	struct pair *p = *state;
	struct call calls[4];

	call_start(&calls[0], run_send, &p->a, BIG_BYTES);
	call_start(&calls[1], run_send, &p->b, BIG_BYTES);
	call_start(&calls[2], run_receive, &p->a, BIG_BYTES);
	call_start(&calls[3], run_receive, &p->b, BIG_BYTES);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(call_end(&calls[i]), 0);
}

static void a_peer_that_takes_nothing_is_gone_after_the_stall(void **state)
{
	struct pair *p = *state;
	struct call call;

	p->a.stall_ns = 50 * NS_PER_MS;
	call_start(&call, run_send, &p->a, BIG_BYTES);
	assert_int_equal(call_end(&call), -ETIMEDOUT);
	assert_string_equal(call.e.what, "the peer took nothing for 50 ms");
	assert_string_equal(call.e.where, "channel a");
}

static void a_receive_can_have_a_stall_too(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct pair *p = *state;
	char byte;

	p->b.receive_stall_ns = 20 * NS_PER_MS;
	assert_int_equal(channel_receive(&p->b, &byte, 1, &e), -ETIMEDOUT);
	assert_string_equal(e.what, "the peer sent nothing for 20 ms");
}

static void a_closed_peer_is_epipe_both_ways(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct pair *p = *state;
	struct call call;
	char bytes[2];

	call_start(&call, run_send, &p->a, 1);
	assert_int_equal(call_end(&call), 0);
	channel_close(&p->a);
	assert_int_equal(channel_receive(&p->b, bytes, 2, &e), -EPIPE); /* in the middle of a piece */
	assert_string_equal(e.what, "the peer closed the connection");
	assert_int_equal(channel_receive(&p->b, bytes, 1, NULL), -EPIPE);
	call_start(&call, run_send, &p->b, BIG_BYTES);
	assert_int_equal(call_end(&call), -EPIPE);
}

static void shutdown_wakes_and_stays(void **state)
{
	struct pair *p = *state;
	struct call calls[2];
	char byte = 0;

	call_start(&calls[0], run_send, &p->a, BIG_BYTES);
	call_start(&calls[1], run_receive, &p->a, 1);
	while (!channel_sent(&p->a))
		; /* the sender is at it */
	channel_shutdown(&p->a);
	assert_int_equal(call_end(&calls[0]), -ECANCELED);
	assert_int_equal(call_end(&calls[1]), -ECANCELED);
	assert_string_equal(calls[1].e.what, "the channel was shut down by this side");
	assert_int_equal(channel_receive(&p->a, &byte, 1, NULL), -ECANCELED);
	channel_close(&p->a);
	channel_shutdown(&p->a);
}

static void shutdown_hides_what_had_come(void **state)
{
	struct pair *p = *state;
	struct iovec iov = { "x", 1 };
	char byte;

	assert_int_equal(channel_send(&p->a, &iov, 1, NULL), 0);
	channel_shutdown(&p->b);
	assert_int_equal(channel_receive(&p->b, &byte, 1, NULL), -ECANCELED);
}

static void nobody_there_is_said(void **state)
{
	uint64_t deadline_ns = clock_deadline_ns(&clock_monotonic, 20 * NS_PER_S);
	struct gw_error e = GW_ERROR_NONE;
	struct listener listener;
	struct channel channel;
	struct place place;
	char want[ADDRESS_URI_BYTES + 32];

	place_open(&place, ADDRESS_TCP);
	channel_init(&channel, "control");
	assert_int_equal(listener_open(&listener, &place.address, NULL), 0);
	listener_close(&listener); /* so this port was free a moment ago */
	assert_int_equal(channel_connect(&channel, &listener.address, &clock_monotonic, deadline_ns, &e),
			 -ECONNREFUSED);
	snprintf(want, sizeof(want), "nothing listens on %s", listener.address.uri);
	assert_string_equal(e.what, want);
	assert_int_equal(channel.fd, -1);

	e.code = 0;
	assert_int_equal(channel_connect(&channel, &place.address, &clock_monotonic, deadline_ns, &e), -EINVAL);
	assert_non_null(strstr(e.what, "port 0"));

	e.code = 0;
	/* A label of more than 63 characters is no name at all: no name server is asked. */
	snprintf(want, sizeof(want), "tcp:%064d.invalid:7000", 0);
	assert_int_equal(address_parse(&place.address, want, NULL), 0);
	assert_int_equal(channel_connect(&channel, &place.address, &clock_monotonic, deadline_ns, &e), -ENOENT);
	assert_non_null(strstr(e.what, ".invalid is not known"));
	place_close(&place);

	e.code = 0;
	place_open(&place, ADDRESS_UNIX);
	assert_int_equal(channel_connect(&channel, &place.address, &clock_monotonic, deadline_ns, &e), -ENOENT);
	assert_non_null(strstr(e.what, "nothing listens on unix:"));
	place_close(&place);
}

static void a_full_backlog_ends_at_the_deadline(void **state)
{
	struct channel channels[200];
	struct listener listener;
	struct place place;
	int ret = 0, nr = 0;

	place_open(&place, ADDRESS_UNIX);
	assert_int_equal(listener_open(&listener, &place.address, NULL), 0);
	for (; nr < 200 && !ret; nr++) {
		channel_init(&channels[nr], "channel");
		ret = channel_connect(&channels[nr], &place.address, &clock_monotonic,
				      clock_deadline_ns(&clock_monotonic, 50 * NS_PER_MS), NULL);
	}
	assert_int_equal(ret, -ETIMEDOUT);
	while (nr)
		channel_close(&channels[--nr]);
	listener_close(&listener);
	place_close(&place);
}

static void a_shut_channel_does_not_connect(void **state)
{
	struct pair *p = *state;
	struct channel channel;

	channel_init(&channel, "channel");
	channel_shutdown(&channel);
	assert_int_equal(channel_connect(&channel, &p->listener.address, &clock_monotonic, DEADLINE_NEVER, NULL),
			 -ECANCELED);
	assert_int_equal(channel.fd, -1);
}

#define TCP(test)  cmocka_unit_test_setup_teardown(test, pair_setup_tcp, pair_teardown)
#define UNIX(test) cmocka_unit_test_setup_teardown(test, pair_setup_unix, pair_teardown)
#define BOTH(test) TCP(test), UNIX(test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(pieces_go_through_whole),
		BOTH(both_directions_at_once),
		BOTH(a_peer_that_takes_nothing_is_gone_after_the_stall),
		BOTH(a_receive_can_have_a_stall_too),
		BOTH(a_closed_peer_is_epipe_both_ways),
		BOTH(shutdown_wakes_and_stays),
		BOTH(shutdown_hides_what_had_come),
		BOTH(a_shut_channel_does_not_connect),
		cmocka_unit_test(nobody_there_is_said),
		cmocka_unit_test(a_full_backlog_ends_at_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
