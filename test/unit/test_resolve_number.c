/* SPDX-License-Identifier: BSD-3-Clause */
/* Hosts as a static program knows them: by number. */
#include "channel/resolve.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/bits.h"

#include <cmocka.h>

static int resolve(const char *uri, struct resolved *resolved, struct gw_error *e)
{
	struct address address;

	assert_int_equal(address_parse(&address, uri, NULL), 0);
	return resolve_host(&address, resolved, "", e);
}

static void an_ipv4_number(void **state)
{
	struct resolved to;
	const struct sockaddr_in *in = (const struct sockaddr_in *)&to.at[0].addr;

	assert_int_equal(resolve("tcp:192.0.2.7:7000", &to, NULL), 0);
	assert_int_equal(to.nr, 1);
	assert_int_equal(to.at[0].size_bytes, sizeof(*in));
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(ntohs(in->sin_port), 7000);
	assert_int_equal(ntohl(in->sin_addr.s_addr), 0xc0000207);
}

static void an_ipv6_number_with_its_scope(void **state)
{
	static const struct {
		const char *uri;
		uint32_t scope;
	} good[] = { { "tcp:[fe80::7]:65535", 0 }, { "tcp:[fe80::7%lo]:65535", 1 }, { "tcp:[fe80::7%12]:65535", 12 } };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct resolved to;
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&to.at[0].addr;

		assert_int_equal(resolve(good[i].uri, &to, NULL), 0);
		assert_int_equal(to.nr, 1);
		assert_int_equal(to.at[0].size_bytes, sizeof(*in));
		assert_int_equal(in->sin6_family, AF_INET6);
		assert_int_equal(ntohs(in->sin6_port), 65535);
		assert_int_equal(in->sin6_addr.s6_addr[0], 0xfe);
		assert_int_equal(in->sin6_addr.s6_addr[15], 7);
		assert_int_equal(in->sin6_scope_id, good[i].scope);
	}
}

static void localhost_is_both_loopbacks(void **state)
{
	struct resolved to;

	assert_int_equal(resolve("tcp:localhost:1", &to, NULL), 0);
	assert_int_equal(to.nr, 2);
	assert_int_equal(to.at[0].addr.ss_family, AF_INET6);
	assert_int_equal(to.at[1].addr.ss_family, AF_INET);
}

static void a_name_is_refused_with_the_remedy(void **state)
{
	static const char *const bad[] = {
		"tcp:host.example:1", "tcp:1.2.3:1",
		"tcp:1.2.3.4.5:1",    "tcp:[::g]:1",
		"tcp:[fe80::1%]:1",   "tcp:[fe80::1%no-such]:1",
		"tcp:[fe80::1%-1]:1", "tcp:[fe80::1%4294967296]:1",
		"tcp:[1.2.3.4%lo]:1", "tcp:[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]:1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct resolved to;

		assert_int_equal(resolve(bad[i], &to, &e), -ENOENT);
		assert_non_null(strstr(e.what, "as a number"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ipv4_number),
		cmocka_unit_test(an_ipv6_number_with_its_scope),
		cmocka_unit_test(localhost_is_both_loopbacks),
		cmocka_unit_test(a_name_is_refused_with_the_remedy),
	};

	return cmocka_run_group_tests_name("resolve_number", tests, NULL, NULL);
}
