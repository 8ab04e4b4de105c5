/* SPDX-License-Identifier: BSD-3-Clause */
/* Listeners: the port that was taken, socket files of the living and the dead, and waking a waiting accept. */
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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

struct accept {
	struct listener *listener;
	struct channel channel;
	int ret;
};

static void *run_accept(void *arg)
{
	struct accept *accept = arg;

	accept->ret = listener_accept(accept->listener, &accept->channel, NULL);
	return NULL;
}

static void a_waiting_accept_is_woken(void **state)
{
	const enum address_kind *kind = *state;
	struct listener listener;
	struct accept accept = { .listener = &listener };
	struct place place;
	pthread_t thread;

	place_open(&place, *kind);
	assert_int_equal(listener_open(&listener, &place.address, NULL), 0);
	channel_init(&accept.channel, "accepted");
	assert_int_equal(pthread_create(&thread, NULL, run_accept, &accept), 0);
	listener_shutdown(&listener);
	pthread_join(thread, NULL);
	assert_int_equal(accept.ret, -ECANCELED);
	assert_int_equal(listener_accept(&listener, &accept.channel, NULL), -ECANCELED);
	channel_close(&accept.channel);
	listener_close(&listener);
	listener_close(&listener);
	place_close(&place);
}

static void the_real_port_is_told(void **state)
{
	struct listener listener;
	char uri[ADDRESS_URI_BYTES];
	struct address address;
	struct place place;

	place_open(&place, ADDRESS_TCP);
	assert_int_equal(listener_open(&listener, &place.address, NULL), 0);
	assert_int_equal(address_parse(&address, listener_uri(&listener, uri, sizeof(uri)), NULL), 0);
	assert_int_equal(address.kind, ADDRESS_TCP);
	assert_int_not_equal(address.port, 0);
	listener_close(&listener);
	place_close(&place);
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct listener first, second;
	struct place place;
	struct stat st;

	place_open(&place, ADDRESS_UNIX);
	assert_int_equal(listener_open(&first, &place.address, NULL), 0);
	assert_int_equal(listener_open(&second, &place.address, &e), -EADDRINUSE);
	assert_non_null(strstr(e.what, "is in use"));

	close(first.fd); /* as a process that was killed: the file stays */
	first.fd = -1;
	assert_int_equal(lstat(place.address.path, &st), 0);
	assert_int_equal(listener_open(&second, &place.address, NULL), 0);
	listener_close(&first); /* the file is not its own any more */
	assert_int_equal(lstat(place.address.path, &st), 0);
	listener_close(&second);
	assert_int_not_equal(lstat(place.address.path, &st), 0);
	place_close(&place);
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
	struct listener listener;
	struct place place;

	place_open(&place, ADDRESS_UNIX);
	fclose(fopen(place.address.path, "w"));
	assert_int_equal(listener_open(&listener, &place.address, NULL), -EADDRINUSE);
	assert_int_equal(unlink(place.address.path), 0);
	place_close(&place);
}

static void a_taken_port_is_said(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct listener first, second;
	struct place place;

	place_open(&place, ADDRESS_TCP);
	assert_int_equal(listener_open(&first, &place.address, NULL), 0);
	assert_int_equal(listener_open(&second, &first.address, &e), -EADDRINUSE);
	assert_non_null(strstr(e.what, first.address.uri));
	listener_close(&second);
	listener_close(&first);
	place_close(&place);
}

int main(void)
{
	static enum address_kind tcp = ADDRESS_TCP, local = ADDRESS_UNIX;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(a_waiting_accept_is_woken, &tcp),
		cmocka_unit_test_prestate(a_waiting_accept_is_woken, &local),
		cmocka_unit_test(the_real_port_is_told),
		cmocka_unit_test(a_taken_port_is_said),
		cmocka_unit_test(a_stale_socket_is_replaced_and_a_live_one_is_not),
		cmocka_unit_test(a_file_that_is_no_socket_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
