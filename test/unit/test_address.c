/* SPDX-License-Identifier: BSD-3-Clause */
/* Channel URIs: what is taken, what is refused with which words. */
#include "channel/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"

#include <cmocka.h>

static void tcp_is_taken_apart(void **state)
{
	static const struct {
		const char *uri, *host;
		uint16_t port;
	} good[] = {
		{ "tcp:127.0.0.1:7000", "127.0.0.1", 7000 }, { "tcp:host.example:0", "host.example", 0 },
		{ "tcp:[::1]:7000", "::1", 7000 },           { "tcp:[fe80::1%eth0]:65535", "fe80::1%eth0", 65535 },
		{ "tcp:[10.0.0.1]:1", "10.0.0.1", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct address address;

		assert_int_equal(address_parse(&address, good[i].uri, NULL), 0);
		assert_int_equal(address.kind, ADDRESS_TCP);
		assert_string_equal(address.host, good[i].host);
		assert_int_equal(address.port, good[i].port);
		assert_string_equal(address.uri, good[i].uri);
	}
}

static void unix_takes_any_path(void **state)
{
	struct address address;

	assert_int_equal(address_parse(&address, "unix:/run/a:b", NULL), 0);
	assert_int_equal(address.kind, ADDRESS_UNIX);
	assert_string_equal(address.path, "/run/a:b");
}

static void the_rest_is_refused_with_a_sentence(void **state)
{
	static const struct {
		const char *uri, *why;
	} bad[] = {
		{ "tcp:", "no host" },
		{ "tcp::7000", "no host" },
		{ "tcp:host", "a port" },
		{ "tcp:host:", "a port" },
		{ "tcp:host:65536", "a port" },
		{ "tcp:host:18446744073709551617", "a port" },
		{ "tcp:host:7x", "a port" },
		{ "tcp:host:-1", "a port" },
		{ "tcp:::1:7000", "no host" },
		{ "tcp:fe80::1:7000", "a port" },
		{ "tcp:[::1]7000", "a port" },
		{ "tcp:[::1", "a port" },
		{ "tcp:[]:7000", "no host" },
		{ "unix:", "no path" },
		{ "udp:host:7000", "no known kind" },
		{ "", "no known kind" },
		{ "/run/socket", "no known kind" },
		{ "TCP:host:1", "no known kind" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct address address;

		assert_int_equal(address_parse(&address, bad[i].uri, &e), -EINVAL);
		assert_non_null(strstr(e.what, bad[i].why));
		assert_non_null(strstr(e.what, bad[i].uri));
		assert_non_null(strstr(e.what, "tcp:HOST:PORT, tcp:[IPV6]:PORT or unix:PATH"));
	}
	assert_int_equal(address_parse(&(struct address){ 0 }, NULL, NULL), -EINVAL);
}

static void lengths_are_bounded(void **state)
{
	char uri[400], text[400];
	struct address address;

	memset(text, 'x', sizeof(text));
	snprintf(uri, sizeof(uri), "unix:%.107s", text);
	assert_int_equal(address_parse(&address, uri, NULL), 0);
	snprintf(uri, sizeof(uri), "unix:%.108s", text);
	assert_int_equal(address_parse(&address, uri, NULL), -EINVAL);
	snprintf(uri, sizeof(uri), "tcp:%.253s:65535", text);
	assert_int_equal(address_parse(&address, uri, NULL), 0);
	snprintf(uri, sizeof(uri), "tcp:%.254s:65535", text);
	assert_int_equal(address_parse(&address, uri, NULL), -EINVAL);
	snprintf(uri, sizeof(uri), "tcp:%.390s", text);
	assert_int_equal(address_parse(&address, uri, NULL), -EINVAL);
}

static void the_port_can_be_changed(void **state)
{
	struct address address;

	assert_int_equal(address_parse(&address, "tcp:[::1]:0", NULL), 0);
	address_set_port(&address, 4711);
	assert_string_equal(address.uri, "tcp:[::1]:4711");
	assert_int_equal(address_parse(&address, "tcp:localhost:0", NULL), 0);
	address_set_port(&address, 4711);
	assert_string_equal(address.uri, "tcp:localhost:4711");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_is_taken_apart),
		cmocka_unit_test(unix_takes_any_path),
		cmocka_unit_test(the_rest_is_refused_with_a_sentence),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(the_port_can_be_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
