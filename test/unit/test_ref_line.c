/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines on a control socket: in pieces, several at once, too long, and unread answers. */
#include "ref/control/line_client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void pair_open(struct line_client *client, int *peer)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(line_client_open(client, fds[0]), 0);
	*peer = fds[1];
}

static void say(struct line_client *client, int peer, const char *text)
{
	assert_int_equal(write(peer, text, strlen(text)), (ssize_t)strlen(text));
	line_client_receive(client);
}

static void assert_line(struct line_client *client, const char *expected)
{
	char *line;

	assert_int_equal(line_client_next(client, &line), 1);
	assert_string_equal(line, expected);
}

static void test_lines_in_pieces(void **state)
{
	struct line_client client;
	char *line;
	int peer;

	pair_open(&client, &peer);
	say(&client, peer, "{\"a\"");
	assert_int_equal(line_client_next(&client, &line), 0);
	say(&client, peer, ":1}\ntwo\nthr");
	assert_line(&client, "{\"a\":1}");
	assert_line(&client, "two");
	assert_int_equal(line_client_next(&client, &line), 0);
	say(&client, peer, "ee\n");
	assert_line(&client, "three");
	assert_int_equal(line_client_next(&client, &line), 0);
	close(peer);
	line_client_receive(&client);
	assert_true(line_client_done(&client));
	line_client_close(&client);
}

static void test_a_line_too_long(void **state)
{
	char *text = malloc(LINE_CLIENT_IN_BYTES + 1), *line;
	struct line_client client;
	int peer, ret = 0;

	pair_open(&client, &peer);
	memset(text, 'x', LINE_CLIENT_IN_BYTES);
	text[LINE_CLIENT_IN_BYTES] = '\0';
	for (size_t sent = 0; sent < LINE_CLIENT_IN_BYTES && !ret; sent += 4096) {
		assert_int_equal(write(peer, text, 4096), 4096);
		line_client_receive(&client);
		ret = line_client_next(&client, &line);
	}
	assert_int_equal(ret, -EMSGSIZE);
	assert_true(line_client_done(&client));
	line_client_close(&client);
	close(peer);
	free(text);
}

static void test_a_client_that_does_not_read(void **state)
{
	char text[32768] = "";
	json_t *value;
	struct line_client client;
	int peer, nr = 0;

	memset(text, 'x', sizeof(text) - 1);
	value = json_pack("{s:s}", "key", text);
	pair_open(&client, &peer);
	while (!client.gone && nr++ < 1000)
		line_client_send(&client, value);
	assert_true(client.gone);
	assert_true(client.out_bytes <= LINE_CLIENT_OUT_BYTES);
	line_client_close(&client);
	close(peer);
	json_decref(value);
}

static void test_a_client_that_hung_up(void **state)
{
	json_t *value = json_pack("{s:i}", "key", 1);
	struct line_client client;
	int peer;

	pair_open(&client, &peer);
	client.watching = 1;
	close(peer);
	line_client_send(&client, value);
	assert_true(line_client_done(&client));
	line_client_close(&client);
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_in_pieces),
		cmocka_unit_test(test_a_line_too_long),
		cmocka_unit_test(test_a_client_that_does_not_read),
		cmocka_unit_test(test_a_client_that_hung_up),
	};

	return cmocka_run_group_tests_name("ref_line", tests, NULL, NULL);
}
