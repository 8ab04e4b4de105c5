/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults of states, arcs, sessions' ends, resets, and of a client's coming and going, over the socket. */
#include "test/unit/fault_rig.h"

#include "ref/device_registers.h"

#include <time.h>

static void a_request_is_struck_as_asked(void **state)
{
	struct rig r;

	rig_open(&r, "set:RUNNING:STOP_COPY=EIO", "set:STOP:RUNNING=ignore", "set:RUNNING:RUNNING=EBUSY");
	assert_int_equal(client_set_state(&r.c, STOP_COPY), EIO);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	rig_go(&r, STOP);
	rig_go(&r, STOP_COPY);
	rig_go(&r, STOP);
	assert_int_equal(client_set_state(&r.c, RUNNING), 0);
	assert_int_equal(client_get_state(&r.c), STOP);
	rig_go(&r, RUNNING_P2P);
	rig_go(&r, RUNNING);
	assert_int_equal(client_set_state(&r.c, RUNNING), EBUSY);
	rig_close(&r);
}

static void an_arc_is_struck_inside_of_others(void **state)
{
	struct rig r;

	rig_open(&r, "arc:RUNNING_P2P:STOP=EIO,times=2", "arc:STOP:STOP_COPY=ignore,times=1");
	assert_int_equal(client_set_state(&r.c, STOP_COPY), EIO);
	assert_int_equal(client_get_state(&r.c), RUNNING_P2P);
	assert_int_equal(client_set_state(&r.c, STOP), EIO);
	assert_int_equal(client_set_state(&r.c, STOP_COPY), 0);
	assert_int_equal(client_get_state(&r.c), STOP);
	rig_go(&r, STOP_COPY);
	rig_close(&r);
}

/* Ending up elsewhere, with a yes and with a no, and in ERROR, out of which only a reset leads. */
static void it_ends_up_elsewhere(void **state)
{
	struct rig r;

	rig_open(&r, "arc:RUNNING_P2P:STOP=to:PRE_COPY_P2P,times=1",
		 "set:PRE_COPY_P2P:RUNNING=fail-to:STOP,errno=EBUSY", "set:STOP:RESUMING=error",
		 "arc:RUNNING:PRE_COPY=error", "set:RUNNING_P2P:STOP=to:RESUMING,after=2");
	assert_int_equal(client_set_state(&r.c, STOP_COPY), 0);
	assert_int_equal(client_get_state(&r.c), PRE_COPY_P2P);
	assert_int_equal(client_set_state(&r.c, RUNNING), EBUSY);
	assert_int_equal(client_get_state(&r.c), STOP);
	assert_int_equal(client_set_state(&r.c, RESUMING), EIO);
	assert_int_equal(client_get_state(&r.c), ERROR);
	assert_int_equal(client_set_state(&r.c, RUNNING), EINVAL);
	rig_reset(&r);
	assert_int_equal(client_set_state(&r.c, PRE_COPY), EIO);
	assert_int_equal(client_get_state(&r.c), ERROR);
	rig_reset(&r);
	rig_go(&r, RUNNING_P2P);
	rig_go(&r, STOP);
	rig_go(&r, RUNNING_P2P);
	assert_int_equal(client_set_state(&r.c, STOP), 0);
	assert_int_equal(client_get_state(&r.c), RESUMING);
	rig_reset(&r);
	rig_close(&r);
}

static void a_refusal_is_taken_back(void **state)
{
	struct rig r;

	rig_open(&r, "set:STOP_COPY:PRE_COPY=accept", "set:*:8=accept", "set:STOP:ERROR=accept",
		 "set:PRE_COPY:RESUMING=fail-to:RUNNING,errno=EINVAL");
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_set_state(&r.c, 9), EINVAL);
	assert_int_equal(client_set_state(&r.c, 8), 0);
	assert_int_equal(client_get_state(&r.c), STOP_COPY);
	assert_int_equal(client_set_state(&r.c, PRE_COPY_P2P), EINVAL);
	rig_go(&r, PRE_COPY);
	assert_int_equal(client_set_state(&r.c, RESUMING), EINVAL);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	assert_int_equal(client_set_state(&r.c, ERROR), EINVAL);
	rig_go(&r, STOP);
	assert_int_equal(client_set_state(&r.c, ERROR), 0);
	assert_int_equal(client_get_state(&r.c), ERROR);
	rig_close(&r);
}

static void what_it_says_of_its_state(void **state)
{
	struct rig r;

	rig_open(&r, "set:RUNNING:STOP=value:STOP_COPY", "get:STOP=value:RUNNING,times=1", "get:STOP=EIO,times=1",
		 "get:STOP=fd:3");
	assert_int_equal(client_set_state(&r.c, STOP), 0);
	assert_int_equal(rig_u32(&r, 8), STOP_COPY);
	assert_int_equal(rig_u32(&r, 12), UINT32_MAX);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	assert_int_equal(rig_feature(&r, 16, 1 << 16 | 2, NULL, 0), EIO);
	assert_int_equal(client_get_state(&r.c), STOP);
	assert_int_equal(rig_u32(&r, 12), 3);
	rig_close(&r);
}

static void a_session_outlives_its_end(void **state)
{
	struct rig r;
	uint32_t whole;
	uint8_t first[100];

	rig_open(&r, "arc:STOP_COPY:STOP=keep-session,times=1", "arc:STOP_COPY:STOP=suspend-session,times=2");
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 100), 100);
	memcpy(first, r.c.body + 8, 100);
	rig_go(&r, STOP);
	rig_read_all(&r, 8192);
	whole = r.image_bytes + 100;
	rig_go(&r, STOP_COPY); /* kept is not suspended: another one begins */
	assert_int_equal(client_data_read(&r.c, r.c.fd, 100), 100);
	assert_memory_equal(r.c.body + 8, first, 100);
	rig_go(&r, STOP);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 1), -EINVAL);
	rig_go(&r, STOP_COPY);
	rig_read_all(&r, 8192);
	assert_int_equal(r.image_bytes, whole - 100);
	rig_go(&r, STOP); /* suspended, but there is nothing left of it */
	rig_go(&r, STOP_COPY);
	rig_read_all(&r, 8192);
	assert_int_equal(r.image_bytes, whole);
	assert_memory_equal(r.image, first, 100);
	rig_close(&r);
}

static void pre_copy_starts_over(void **state)
{
	struct rig r;

	rig_open(&r, "arc:PRE_COPY_P2P:STOP_COPY=restart-session,times=1");
	rig_go(&r, PRE_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 5000), 5000);
	rig_go(&r, STOP_COPY);
	rig_read_all(&r, 8192);
	rig_go(&r, RUNNING);
	rig_reset(&r);
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), 0);
	rig_go(&r, RUNNING);
	rig_go(&r, PRE_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 5000), 5000);
	rig_go(&r, STOP_COPY);
	rig_read_all(&r, 8192);
	rig_reset(&r);
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), EBADMSG);
	rig_close(&r);
}

static void a_reset_that_is_none(void **state)
{
	struct rig r;

	rig_open(&r, "reset:STOP=EIO", "reset:STOP_COPY=to:STOP", "reset:RUNNING=keep-registers,times=1",
		 "reset:RUNNING=keep-memory,times=1", "reset:RUNNING_P2P=error", "reset:PRE_COPY=ignore");
	assert_int_equal(client_write(&r.c, 0, REFDEV_REG_OP_TAG, 77, 8), 0);
	assert_int_equal(client_write(&r.c, 2, 0, 88, 8), 0);
	assert_int_equal(client_call(&r.c, 13, NULL, 0), 0);
	assert_int_equal(client_read(&r.c, 0, REFDEV_REG_OP_TAG, 8), 77);
	assert_int_not_equal(client_read(&r.c, 2, 0, 8), 88);
	assert_int_equal(client_write(&r.c, 2, 0, 88, 8), 0);
	assert_int_equal(client_call(&r.c, 13, NULL, 0), 0);
	assert_int_equal(client_read(&r.c, 0, REFDEV_REG_OP_TAG, 8), 0);
	assert_int_equal(client_read(&r.c, 2, 0, 8), 88);
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_call(&r.c, 13, NULL, 0), 0);
	assert_int_equal(client_get_state(&r.c), STOP);
	assert_int_equal(client_call(&r.c, 13, NULL, 0), EIO);
	assert_int_equal(client_get_state(&r.c), STOP);
	rig_go(&r, PRE_COPY);
	assert_int_equal(client_call(&r.c, 13, NULL, 0), 0);
	assert_int_equal(client_get_state(&r.c), PRE_COPY);
	rig_go(&r, RUNNING_P2P);
	assert_int_equal(client_call(&r.c, 13, NULL, 0), EIO);
	assert_int_equal(client_get_state(&r.c), ERROR);
	rig_reset(&r);
	rig_close(&r);
}

/* Only after a load that failed; and then the next one fails too. */
static void a_reset_that_does_not_help(void **state)
{
	struct rig r;

	rig_open(&r, "reset:RESUMING:failed=suspend-session");
	rig_save(&r);
	rig_go(&r, RESUMING);
	rig_reset(&r);
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), 0);
	rig_go(&r, RUNNING);
	assert_int_equal(rig_load(&r, r.image, 1000), EBADMSG);
	rig_reset(&r);
	assert_int_equal(rig_load(&r, r.image, r.image_bytes), EBADMSG);
	rig_close(&r);
}

static void a_client_comes_and_goes(void **state)
{
	uint8_t header[16];
	struct rig r;

	rig_open(&r, "open:STOP_COPY=reset,times=1", "close:STOP=to:RUNNING_P2P", "open:RESUMING=to:ERROR",
		 "open:RUNNING=hang-up,after=2,times=1");
	rig_go(&r, STOP_COPY);
	rig_reconnect(&r);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	rig_go(&r, STOP);
	rig_reconnect(&r);
	assert_int_equal(client_get_state(&r.c), RUNNING_P2P);
	rig_go(&r, RESUMING);
	rig_reconnect(&r);
	assert_int_equal(client_get_state(&r.c), ERROR);
	rig_reset(&r);
	client_close(&r.c);
	client_open(&r.c, r.s.path);
	assert_int_equal(client_receive(&r.c, r.c.fd, header, sizeof(header)), 0); /* it is closed */
	client_close(&r.c);
	rig_connect(&r);
	assert_int_equal(client_get_state(&r.c), RUNNING);
	rig_close(&r);
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void it_stalls(void **state)
{
	struct rig r;
	uint64_t began;

	rig_open(&r, "arc:RUNNING:RUNNING_P2P=stall:60ms,times=1");
	began = now_ms();
	rig_go(&r, STOP);
	assert_true(now_ms() - began >= 60);
	rig_go(&r, RUNNING);
	rig_close(&r);
}

/* One thread that is stalled for an hour does not keep the program from ending. */
static void a_stall_ends_with_the_program(void **state)
{
	struct rig r;
	uint32_t request[8] = { 16 | 16 << 16, 32, 0, 0, 16, 1 << 17 | 2, STOP, UINT32_MAX };

	rig_open(&r, "set:RUNNING:STOP=stall:3600s");
	client_send(r.c.fd, request, sizeof(request), NULL, 0);
	rig_close(&r);
}

static void it_hangs_up(void **state)
{
	struct rig r;

	rig_open(&r, "set:RUNNING:STOP=hang-up,times=1", "read:STOP_COPY=hang-up,at=1000");
	assert_int_equal(client_set_state(&r.c, STOP), -1);
	rig_reconnect(&r);
	rig_go(&r, STOP_COPY);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 1000), 1000);
	assert_int_equal(client_data_read(&r.c, r.c.fd, 2), 1); /* not a byte: the connection is closed */
	rig_close(&r);
}

static void it_dies(void **state)
{
	struct rig r;

	rig_open(&r, "arc:STOP:STOP_COPY=die");
	rig_go(&r, STOP);
	assert_int_equal(client_set_state(&r.c, STOP_COPY), -1);
	pthread_join(r.s.thread, NULL);
	assert_int_equal(r.s.ret, -ECONNABORTED);
	assert_non_null(strstr(r.s.error, "die"));
	client_close(&r.c);
	rmdir(r.s.dir);
	close(r.s.stop_fd);
	close(r.s.options.ready_fd);
	free(r.image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_struck_as_asked),
		cmocka_unit_test(an_arc_is_struck_inside_of_others),
		cmocka_unit_test(it_ends_up_elsewhere),
		cmocka_unit_test(a_refusal_is_taken_back),
		cmocka_unit_test(what_it_says_of_its_state),
		cmocka_unit_test(a_session_outlives_its_end),
		cmocka_unit_test(pre_copy_starts_over),
		cmocka_unit_test(a_reset_that_is_none),
		cmocka_unit_test(a_reset_that_does_not_help),
		cmocka_unit_test(a_client_comes_and_goes),
		cmocka_unit_test(it_stalls),
		cmocka_unit_test(a_stall_ends_with_the_program),
		cmocka_unit_test(it_hangs_up),
		cmocka_unit_test(it_dies),
	};

	return cmocka_run_group_tests_name("ref_fault_state", tests, NULL, NULL);
}
