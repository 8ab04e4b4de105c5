/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The trace of a vfio-user device, against a server of the test: a record for each call with its reply, for what the
 * server asks, and for what is never answered; from several threads, one at a time.
 */
#include "device/device.h"
#include "fake_user.h"
#include "trace_text.h"

#include "base/bits.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MAX_SAID   128
#define NR_THREADS 4
#define NR_READS   20

static struct said {
	char texts[MAX_SAID][TRACE_TEXT_BYTES];
	unsigned nr;
	int inside;  /* the library is in take_call */
	int slow_ms; /* where it stays so long: others would come */
} said;

static void take_call(void *ctx, const struct gw_trace_call *call)
{
	struct said *s = ctx;

	assert_int_equal(__atomic_exchange_n(&s->inside, 1, __ATOMIC_ACQUIRE), 0);
	assert_string_equal(call->device, "dev0");
	assert_true(s->nr < MAX_SAID);
	trace_text(s->texts[s->nr++], call);
	poll(NULL, 0, s->slow_ms);
	__atomic_store_n(&s->inside, 0, __ATOMIC_RELEASE);
}

static struct gw_device *open_traced(struct fake_user *f)
{
	static const struct gw_trace trace = { .size = sizeof(trace), .call = take_call, .ctx = &said };
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;
	void *ctx;

	said.nr = 0;
	f->state = GW_STATE_RUNNING;
	fake_start(f);
	assert_int_equal(user_open_fd(&ctx, "dev0", f->client_fd, &(struct gw_open_options){ .trace = &trace }, &e), 0);
	assert_int_equal(device_new(&dev, "dev0", "", &user_ops, ctx, &e), 0);
	return dev;
}

static void test_opening(void **unused)
{
	struct fake_user f = { .migration_flags = 1, .json = "{\"capabilities\":{}}" };
	struct gw_device *dev = open_traced(&f);

	assert_int_equal(said.nr, f.nr_messages);
	assert_non_null(strstr(said.texts[0], "message VERSION(major=0 minor=2 capabilities={\"capabilities\":"));
	assert_non_null(strstr(said.texts[0], "= 0 {major=0 minor=0 capabilities={\"capabilities\":{}}}"));
	assert_string_equal(said.texts[1],
			    "message DEVICE_FEATURE(argsz=16 feature=MIGRATION operation=GET) = 0 {flags=STOP_COPY}");
	assert_string_equal(said.texts[2],
			    "message DEVICE_FEATURE(argsz=8 feature=DMA_LOGGING_START operation=PROBE|SET) = -25 {}");
	gw_device_close(dev);
	fake_join(&f);
}

/* Before its answer to a region access the server asks for guest memory; that it does not get. */
static int ask_first(struct fake_user *f, struct fake_message *m)
{
	uint64_t body[2] = { 0x1000, 8 };
	struct fake_message reply = { .body = NULL };

	if (m->command == 9 && fake_u32(m, 8) == 1) {
		fake_send(f, 99, 11, 0, 0, body, sizeof(body));
		assert_int_equal(fake_receive(f, &reply), 0);
		assert_int_equal(reply.id, 99);
		free(reply.body);
	}
	return m->command == 9 && fake_u32(m, 8) == 2 ? -1 : 0;
}

static void test_commands_and_ends(void **unused)
{
	struct fake_user f = { .hook = ask_first };
	struct gw_device *dev = open_traced(&f);
	uint32_t word;
	int fds[2];

	said.nr = 0;
	assert_int_equal(gw_device_region_read(dev, 1, 0x20, &word, 4, NULL), 4);
	assert_int_equal(said.nr, 2);
	assert_string_equal(said.texts[0], "command DMA_READ(address=0x1000 count=8) = -14 {}");
	assert_string_equal(said.texts[1],
			    "message REGION_READ(offset=0x20 region=1 count=4) = 4 {count=4 data=00000000}");
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(gw_device_irq_set(dev, 2, 0, 1, fds, NULL), 0);
	assert_string_equal(said.texts[2], "message DEVICE_SET_IRQS(argsz=20 flags=DATA_EVENTFD|ACTION_TRIGGER index=2 "
					   "start=0 count=1 fds=1) = 0 {}");
	assert_int_equal(gw_device_region_read(dev, 2, 0, &word, 4, NULL), -EPIPE);
	assert_string_equal(said.texts[3], "message REGION_READ(offset=0 region=2 count=4) = -32 {}");
	close(fds[0]);
	close(fds[1]);
	gw_device_close(dev);
	fake_join(&f);
}

static void *read_often(void *arg)
{
	uint64_t word;

	for (int i = 0; i < NR_READS; i++)
		if (gw_device_region_read(arg, 0, 0, &word, sizeof(word), NULL) != sizeof(word))
			return arg;
	return NULL;
}

static void test_threads(void **unused)
{
	struct fake_user f = { .migration_flags = 0 };
	struct gw_device *dev = open_traced(&f);
	pthread_t threads[NR_THREADS];
	void *failed;

	said.nr = 0;
	said.slow_ms = 1;
	for (int i = 0; i < NR_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often, dev), 0);
	for (int i = 0; i < NR_THREADS; i++) {
		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	said.slow_ms = 0;
	assert_int_equal(said.nr, NR_THREADS * NR_READS);
	gw_device_close(dev);
	fake_join(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_opening),
		cmocka_unit_test(test_commands_and_ends),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests_name("trace_user", tests, NULL, NULL);
}
