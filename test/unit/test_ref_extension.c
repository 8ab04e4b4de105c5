/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device's half of doc/vfio-user-extension.md over its socket: which parts are agreed with whom, and
 * that a client that did not ask for re-arming sees none of it, whoever was there before.
 */
#include "test/unit/ref_client.h"
#include "test/unit/ref_server.h"

#include <errno.h>

#define OFFER(parts) "{\"capabilities\":{\"godwit\":{" parts "}}}"
#define WITH_REINIT  OFFER("\"precopy_info\":true,\"p2p\":true,\"reinit\":true")
#define OLD_CLIENT   OFFER("\"precopy_info\":true,\"p2p\":true,\"stop_size\":true")

static void start_rearming(struct server *s, uint32_t rearms, uint32_t rearms_p2p)
{
	ref_device_options_init(&s->options);
	s->options.state_bytes = 256 << 10;
	s->options.rearms = rearms;
	s->options.rearms_p2p = rearms_p2p;
	server_run(s);
}

static void agreed(const char *offer, uint32_t without, const char *part, int is)
{
	struct server s;
	struct ref_client c;

	server_start(&s, 1, without);
	client_open(&c, s.path);
	assert_int_equal(client_version(&c, offer), 0);
	assert_int_equal(!!strstr((char *)c.body + 4, part), is);
	client_close(&c);
	server_stop(&s);
}

static void reinit_is_agreed_with_who_can_be_told(void **state)
{
	agreed(WITH_REINIT, 0, "\"reinit\":true", 1);
	agreed(OFFER("\"precopy_info\":{\"supported\":true},\"reinit\":{\"supported\":true}"), 0, "\"reinit\":true", 1);
	agreed(OLD_CLIENT, 0, "reinit", 0);
	agreed(OFFER("\"precopy_info\":true,\"reinit\":false"), 0, "reinit", 0);
	agreed(OFFER("\"precopy_info\":true,\"reinit\":1"), 0, "reinit", 0);
	agreed(OFFER("\"p2p\":true,\"reinit\":true"), 0, "reinit", 0);
	agreed(OFFER("\"reinit\":true"), 0, "godwit", 0);
	agreed(WITH_REINIT, REF_DEVICE_NO_PRECOPY, "reinit", 0);
	agreed(WITH_REINIT, REF_DEVICE_NO_MIGRATION, "godwit", 0);
	agreed(WITH_REINIT, REF_DEVICE_NO_EXTENSION, "godwit", 0);
}

struct info {
	uint32_t argsz, flags;
	uint64_t initial, dirty;
};

static struct info ask(struct ref_client *c)
{
	uint32_t body[8] = { 32, 1 << 16 | 0x6701 };
	struct info info;

	assert_int_equal(client_call(c, 16, body, sizeof(body)), 0);
	assert_int_equal(c->size, 8 + sizeof(info));
	memcpy(&info, c->body + 8, sizeof(info));
	assert_int_equal(info.argsz, sizeof(info));
	return info;
}

static void expect(struct ref_client *c, uint32_t flags, int is_read)
{
	struct info info = ask(c);

	assert_int_equal(info.flags, flags);
	assert_int_equal(info.initial == 0, is_read);
}

static void connect_as(struct ref_client *c, struct server *s, const char *offer)
{
	client_open(c, s->path);
	assert_int_equal(client_version(c, offer), 0);
}

static void read_initial(struct ref_client *c)
{
	uint64_t initial = ask(c).initial;

	assert_int_equal(client_data_read(c, c->fd, (uint32_t)initial), initial);
}

static void flags_tell_of_it(void **state)
{
	struct server s;
	struct ref_client c;

	start_rearming(&s, 1, 1);
	connect_as(&c, &s, WITH_REINIT);
	assert_int_equal(client_set_state(&c, 6), 0);
	expect(&c, 0, 0);
	read_initial(&c);
	expect(&c, 0, 1);
	expect(&c, 1, 0);
	expect(&c, 1, 0);
	assert_int_equal(client_data_read(&c, c.fd, 10), 10);
	expect(&c, 0, 0);
	read_initial(&c);
	assert_int_equal(client_set_state(&c, 7), 0);
	expect(&c, 1, 0);
	read_initial(&c);
	expect(&c, 0, 1);
	client_close(&c);
	server_stop(&s);
}

/* A request too small for its answer is no answer: what it would have told is told by the next one. */
static void a_refused_question_tells_nothing(void **state)
{
	uint32_t small[8] = { 31, 1 << 16 | 0x6701 };
	struct server s;
	struct ref_client c;

	start_rearming(&s, 1, 0);
	connect_as(&c, &s, WITH_REINIT);
	assert_int_equal(client_set_state(&c, 6), 0);
	read_initial(&c);
	assert_int_equal(client_call(&c, 16, small, sizeof(small)), EINVAL);
	expect(&c, 0, 1);
	assert_int_equal(client_call(&c, 16, small, sizeof(small)), EINVAL);
	expect(&c, 1, 0);
	client_close(&c);
	server_stop(&s);
}

/* An old client takes over the session of one that was told, and has seen a flag of no kind; nothing is re-armed. */
static void old_clients_see_nothing(void **state)
{
	struct server s;
	struct ref_client c;

	start_rearming(&s, 2, 2);
	connect_as(&c, &s, WITH_REINIT);
	assert_int_equal(client_set_state(&c, 6), 0);
	read_initial(&c);
	expect(&c, 0, 1);
	expect(&c, 1, 0);
	client_close(&c);
	connect_as(&c, &s, OLD_CLIENT);
	assert_int_equal(client_get_state(&c), 6);
	expect(&c, 0, 0);
	read_initial(&c);
	for (int i = 0; i < 3; i++)
		expect(&c, 0, 1);
	assert_int_equal(client_set_state(&c, 7), 0);
	expect(&c, 0, 1);
	client_close(&c);
	server_stop(&s);
}

/* What would never re-arm says so at the start. */
static void options_that_cannot_work_are_refused(void **state)
{
	static const struct {
		uint32_t rearms, rearms_p2p, without;
	} cases[] = {
		{ 1, 0, REF_DEVICE_NO_PRECOPY },   { 0, 1, REF_DEVICE_NO_PRECOPY },   { 1, 0, REF_DEVICE_NO_EXTENSION },
		{ 0, 1, REF_DEVICE_NO_EXTENSION }, { 1, 0, REF_DEVICE_NO_MIGRATION }, { 0, 1, REF_DEVICE_NO_P2P },
	};
	struct ref_device_options options;
	char error[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ref_device_options_init(&options);
		options.rearms = cases[i].rearms;
		options.rearms_p2p = cases[i].rearms_p2p;
		options.without = cases[i].without;
		error[0] = 0;
		assert_int_equal(ref_device_run("/nowhere/at/all", &options, -1, error, sizeof(error)), -EINVAL);
		assert_non_null(strstr(error, "re-arming"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reinit_is_agreed_with_who_can_be_told), cmocka_unit_test(flags_tell_of_it),
		cmocka_unit_test(a_refused_question_tells_nothing),      cmocka_unit_test(old_clients_see_nothing),
		cmocka_unit_test(options_that_cannot_work_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
