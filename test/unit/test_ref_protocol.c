/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device and clients that get the protocol wrong, by mistake or on purpose: every malformed message is
 * answered with an error or ends the connection, and the device serves the next client as if nothing had been.
 */
#include "ref/device_registers.h"
#include "test/unit/ref_client.h"
#include "test/unit/ref_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#define PLAIN "{\"capabilities\":{}}"

struct fixture {
	struct server server;
	struct ref_client c;
};

static int start(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->c.fd = -1;
	server_start(&f->server, 1, 0);
	*state = f;
	return 0;
}

static void greet(struct fixture *f)
{
	client_open(&f->c, f->server.path);
	assert_int_equal(client_version(&f->c, PLAIN), 0);
}

/* The device is well: it takes a client and answers it. */
static int stop(void **state)
{
	struct fixture *f = *state;

	client_close(&f->c);
	greet(f);
	assert_int_equal(client_read(&f->c, 0, REFDEV_REG_MAGIC, 4), REFDEV_MAGIC);
	assert_int_equal(client_get_state(&f->c), 2);
	client_close(&f->c);
	server_stop(&f->server);
	free(f);
	return 0;
}

static void bad_versions(void **state)
{
	static const char *const texts[] = { "",
					     "nonsense",
					     "{\"capabilities\":1}",
					     "[]",
					     "{\"capabilities\":{\"max_msg_fds\":\"many\"}}",
					     "{",
					     "{\"capabilities\":{\"max_data_xfer_size\":-1}}" };
	const uint16_t major_one[2] = { 1, 0 }, no_nul[3] = { 0, 0, '{' | '}' << 8 };
	struct fixture *f = *state;
	struct ref_client *c = &f->c;
	uint16_t minor;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		client_open(c, f->server.path);
		assert_int_equal(client_version(c, texts[i]), EINVAL);
		assert_int_equal(client_receive(c, c->fd, &minor, sizeof(minor)), 0); /* closed */
		client_close(c);
	}
	client_open(c, f->server.path);
	assert_int_equal(client_call(c, 1, major_one, sizeof(major_one)), EINVAL);
	client_close(c);
	client_open(c, f->server.path);
	assert_int_equal(client_call(c, 1, no_nul, sizeof(no_nul)), EINVAL);
	client_close(c);
	client_open(c, f->server.path);
	assert_int_equal(client_call(c, 4, NULL, 0), EINVAL); /* VERSION comes first */
	client_close(c);
	client_open(c, f->server.path);
	assert_int_equal(client_call(c, 1, (uint16_t[2]){ 0, 9 }, 4), 0);
	memcpy(&minor, c->body + 2, sizeof(minor));
	assert_int_equal(minor, 2);
	assert_int_equal(client_version(c, PLAIN), EINVAL); /* once */
}

static void unknown_commands_are_not_supported(void **state)
{
	const uint16_t unknown[] = { 0, 6, 11, 12, 14, 15, 19, 255, 0xffff };
	struct fixture *f = *state;
	struct ref_client *c = &f->c;

	greet(f);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(client_call(c, unknown[i], "12345678", 8), ENOTSUP);
}

/* Each command with a body of every size and all bits alike: nothing of that is a valid request. */
static void bodies_of_any_size(void **state)
{
	uint8_t body[64];
	struct fixture *f = *state;
	struct ref_client *c = &f->c;

	greet(f);
	for (uint16_t command = 2; command <= 18; command++) {
		for (size_t size = 0; size <= sizeof(body); size++) {
			for (int bits = 0; bits < 2; bits++) {
				int ret;

				memset(body, bits ? 0xff : 0, sizeof(body));
				ret = client_call(c, command, body, size);
				if (command != 4 && command != 9 && command != 10 && command != 13)
					assert_true(ret > 0);
				else
					assert_true(ret >= 0);
			}
		}
	}
}

static void headers_that_end_the_connection(void **state)
{
	const uint32_t headers[][4] = {
		{ 4 << 16, 15, 0, 0 },                                     /* shorter than itself */
		{ 4 << 16, 0, 0, 0 },       { 4 << 16, UINT32_MAX, 0, 0 }, /* longer than any */
		{ 4 << 16, 2 << 20, 0, 0 }, { 4 << 16, 16, 1, 0 },         /* a reply to nothing */
		{ 4 << 16, 16, 7, 0 },
	};
	struct fixture *f = *state;
	struct ref_client *c = &f->c;
	uint8_t byte;

	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		greet(f);
		client_send(c->fd, headers[i], sizeof(headers[i]), NULL, 0);
		assert_int_equal(client_receive(c, c->fd, &byte, 1), 0);
		client_close(c);
	}
	greet(f);
	client_send(c->fd, headers[0], 7, NULL, 0); /* and no more */
}

static void a_message_in_single_bytes(void **state)
{
	uint32_t message[8] = { 9 << 16, 32, 0, 0, REFDEV_REG_MAGIC, 0, 0, 4 }, reply[9];
	struct fixture *f = *state;
	struct ref_client *c = &f->c;

	greet(f);
	for (size_t i = 0; i < sizeof(message); i++)
		client_send(c->fd, (uint8_t *)message + i, 1, NULL, 0);
	assert_int_equal(client_receive(c, c->fd, reply, sizeof(reply)), 1);
	assert_int_equal(reply[8], REFDEV_MAGIC);
}

static size_t count_fds(void)
{
	size_t nr = 0;

	for (int fd = 0; fd < 256; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

/* Fds with messages that want none, and more than fit: closed, all of them. */
static void unwanted_fds_are_closed(void **state)
{
	uint64_t map[4] = { 32 | (uint64_t)3 << 32, 0, 0, 4096 };
	uint32_t info[4] = { 16 };
	struct fixture *f = *state;
	struct ref_client *c = &f->c;
	int fds[16];
	size_t before;

	greet(f);
	for (size_t i = 0; i < 16; i++)
		fds[i] = memfd_create("unwanted", MFD_CLOEXEC);
	before = count_fds();
	assert_int_equal(client_call_on(c, c->fd, 4, info, sizeof(info), fds, 3), 0);
	assert_int_equal(client_call_on(c, c->fd, 4, info, sizeof(info), fds, 16), EINVAL);
	assert_int_equal(client_call_on(c, c->fd, 2, map, sizeof(map), fds, 2), EINVAL);
	assert_int_equal(client_set_irqs(c, 0, 2, fds), EINVAL); /* not eventfds */
	assert_int_equal(client_call(c, 4, info, sizeof(info)), 0);
	assert_int_equal(count_fds(), before);
	for (size_t i = 0; i < 16; i++)
		close(fds[i]);
}

/* None of the reference device's is MASKABLE, and it has no INTx. */
static void interrupts_that_cannot_be_masked_are_not(void **state)
{
	static const uint32_t actions[] = { 8, 16 }; /* MASK, UNMASK */
	struct fixture *f = *state;
	struct ref_client *c = &f->c;

	greet(f);
	for (uint32_t index = 0; index < 5; index++) {
		uint32_t info[4] = { 16, 0, index };

		assert_int_equal(client_call(c, 7, info, sizeof(info)), 0);
		memcpy(info, c->body, sizeof(info));
		assert_false(info[1] & 2);
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(client_call(c, 8, (uint32_t[5]){ 20, 1 | actions[i], index, 0, 1 }, 20),
					 EINVAL);
	}
}

static void bad_maps_are_refused(void **state)
{
	const uint64_t size = (uint64_t)1 << 20, top = UINT64_MAX - 4095;
	struct fixture *f = *state;
	struct ref_client *c = &f->c;
	int fd = memfd_create("guest", MFD_CLOEXEC);

	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	greet(f);
	assert_int_equal(client_map(c, -1, 0, 0, size), EINVAL);
	assert_int_equal(client_map(c, fd, 0, 0, 0), EINVAL);
	assert_int_equal(client_map(c, fd, 0, 0, size + 4096), EINVAL);
	assert_int_equal(client_map(c, fd, 4096, 0, size), EINVAL);
	assert_int_equal(client_map(c, fd, top, 0, 4096), EINVAL);
	assert_int_equal(client_map(c, fd, 0, top, 8192), EINVAL);
	assert_int_equal(client_map(c, fd, 0, 1, 4096), EINVAL);
	assert_int_equal(client_map(c, fd, 0, 0, 4095), EINVAL);
	assert_int_equal(client_map(c, fd, 0, top, 4096), 0);
	assert_int_equal(client_map(c, fd, 0, 8192, 8192), 0);
	assert_int_equal(client_map(c, fd, 0, 8192, 8192), EEXIST);
	assert_int_equal(client_map(c, fd, 0, 4096, 8192), EINVAL);
	assert_int_equal(client_map(c, fd, 0, 12288, 4096), EINVAL);
	assert_int_equal(client_map(c, fd, 0, 4096, 4096), 0);
	assert_int_equal(client_call(c, 3, (uint64_t[3]){ 24, 8192, 4096 }, 24), EINVAL);
	assert_int_equal(client_call(c, 3, (uint64_t[3]){ 24, 0, 4096 }, 24), ENOENT);
	assert_int_equal(client_call(c, 3, (uint64_t[3]){ 24, 0, 16384 }, 24), 0);
	assert_int_equal(client_call(c, 3, (uint64_t[3]){ 24 | (uint64_t)2 << 32, 0, 0 }, 24), 0);
	assert_int_equal(client_map(c, fd, 0, top, 4096), 0);
	close(fd);
}

static void bad_register_accesses(void **state)
{
	struct fixture *f = *state;
	struct ref_client *c = &f->c;

	greet(f);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_LOCAL, 0, 4), EINVAL);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_LOCAL + 4, 0, 4), EINVAL);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_CODE, 0, 8), EINVAL);
	assert_int_equal(client_write(c, 0, REFDEV_REG_MAGIC, 0, 4), 0);
	assert_int_equal(client_read(c, 0, REFDEV_REG_MAGIC, 4), REFDEV_MAGIC);
	assert_int_equal(client_write(c, 0, 4096, 0, 4), EINVAL);
	assert_int_equal(client_write(c, 0, UINT64_MAX - 3, 0, 8), EINVAL);
	assert_int_equal(client_write(c, 1, 0, 0, 4), EINVAL);
	assert_int_equal(client_write(c, 9, 0, 0, 4), EINVAL);
	assert_int_equal(client_write(c, UINT32_MAX, 0, 0, 4), EINVAL);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_CODE, 99, 4), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_DOORBELL, 1, 4), 0);
	assert_int_equal(client_read(c, 0, REFDEV_REG_OP_ERROR, 4), REFDEV_ERROR_CODE);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_CODE, REFDEV_OP_FILL, 4), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_LENGTH, UINT64_MAX - 7, 8), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_DOORBELL, 1, 4), 0);
	assert_int_equal(client_read(c, 0, REFDEV_REG_OP_ERROR, 4), REFDEV_ERROR_RANGE);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_ENTRIES, 3, 4), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_CONTROL, REFDEV_STREAM_START, 4), 0);
	assert_int_equal(client_read(c, 0, REFDEV_REG_STREAM_ERROR, 4), REFDEV_ERROR_RANGE);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_ENTRIES, 4, 4), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_CONTROL, REFDEV_STREAM_START, 4), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_CONSUMER, 1, 8), 0);
	assert_int_equal(client_read(c, 0, REFDEV_REG_STREAM_STATUS, 4), REFDEV_STATUS_ERROR);
	assert_int_equal(client_call(c, 13, NULL, 0), 0);
	assert_int_equal(client_read(c, 0, REFDEV_REG_STREAM_STATUS, 4), REFDEV_STATUS_IDLE);
}

static void a_live_path_is_in_use_a_stale_one_is_not(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct fixture *f = *state;
	struct server other = f->server;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), file;

	other.options.ready_fd = -1;
	assert_int_equal(ref_device_run(other.path, &other.options, -1, other.error, sizeof(other.error)), -EADDRINUSE);
	assert_non_null(strstr(other.error, other.path));
	snprintf(other.path, sizeof(other.path), "%s/file", f->server.dir);
	file = open(other.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_int_equal(ref_device_run(other.path, &other.options, -1, other.error, sizeof(other.error)), -EADDRINUSE);
	close(file);
	assert_int_equal(unlink(other.path), 0);
	memcpy(addr.sun_path, other.path, strlen(other.path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	fd = eventfd(1, EFD_CLOEXEC); /* to stop at once */
	assert_int_equal(ref_device_run(other.path, &other.options, fd, other.error, sizeof(other.error)), 0);
	assert_int_equal(access(other.path, F_OK), -1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bad_versions, start, stop),
		cmocka_unit_test_setup_teardown(unknown_commands_are_not_supported, start, stop),
		cmocka_unit_test_setup_teardown(bodies_of_any_size, start, stop),
		cmocka_unit_test_setup_teardown(headers_that_end_the_connection, start, stop),
		cmocka_unit_test_setup_teardown(a_message_in_single_bytes, start, stop),
		cmocka_unit_test_setup_teardown(unwanted_fds_are_closed, start, stop),
		cmocka_unit_test_setup_teardown(interrupts_that_cannot_be_masked_are_not, start, stop),
		cmocka_unit_test_setup_teardown(bad_maps_are_refused, start, stop),
		cmocka_unit_test_setup_teardown(bad_register_accesses, start, stop),
		cmocka_unit_test_setup_teardown(a_live_path_is_in_use_a_stale_one_is_not, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
