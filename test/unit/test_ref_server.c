/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device over its socket: two of them in this process, a client that goes through the protocol, and a
 * migration from one to the other with an operation in flight and the stream running.
 */
#include "ref/device_registers.h"
#include "test/unit/ref_client.h"
#include "test/unit/ref_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#define GUEST_BYTES ((uint64_t)4 << 20)
#define GUEST_IOVA  ((uint64_t)1 << 32)
#define RING_IOVA   GUEST_IOVA
#define RING_SLOTS  64
#define BUFFER_IOVA (GUEST_IOVA + (1 << 20))
#define EXTENSION                                                                                                 \
	"{\"capabilities\":{\"max_msg_fds\":8,\"godwit\":{\"precopy_info\":true,\"stop_size\":true,\"p2p\":true," \
	"\"data_socket\":{\"supported\":true}}}}"

/* Guest memory and interrupts, as one client of one device has them. */
struct guest {
	int memfd;
	uint8_t *ram;
	int eventfds[REFDEV_NR_VECTORS];
};

static void guest_init(struct guest *g)
{
	g->memfd = memfd_create("guest", MFD_CLOEXEC);
	assert_int_equal(ftruncate(g->memfd, (off_t)GUEST_BYTES), 0);
	g->ram = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, g->memfd, 0);
	assert_true(g->ram != MAP_FAILED);
	for (int v = 0; v < REFDEV_NR_VECTORS; v++)
		g->eventfds[v] = eventfd(0, EFD_CLOEXEC);
}

static void guest_fini(struct guest *g)
{
	for (int v = 0; v < REFDEV_NR_VECTORS; v++)
		close(g->eventfds[v]);
	munmap(g->ram, GUEST_BYTES);
	close(g->memfd);
}

static void connect_guest(struct ref_client *c, struct server *s, struct guest *g)
{
	client_open(c, s->path);
	assert_int_equal(client_version(c, EXTENSION), 0);
	assert_int_equal(client_map(c, g->memfd, 0, GUEST_IOVA, GUEST_BYTES), 0);
	assert_int_equal(client_set_irqs(c, 0, 1, &g->eventfds[0]), 0);
	assert_int_equal(client_set_irqs(c, 1, 1, &g->eventfds[1]), 0);
}

static void start_op(struct ref_client *c, uint32_t code, uint64_t guest, uint64_t length, uint64_t tag)
{
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_CODE, code, 4), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_GUEST, guest, 8), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_LOCAL, 0, 8), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_LENGTH, length, 8), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_TAG, tag, 8), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_OP_DOORBELL, 1, 4), 0);
}

static uint64_t wait_vector(struct guest *g, int vector)
{
	uint64_t count = 0;

	assert_int_equal(read(g->eventfds[vector], &count, sizeof(count)), sizeof(count));
	return count;
}

static void version_and_information(void **state)
{
	uint32_t info[4] = { 16 }, region[8] = { 32, 0, 2 }, irq[4] = { 16, 0, 2 };
	struct server s;
	struct ref_client c;

	server_start(&s, 1, 0);
	client_open(&c, s.path);
	assert_int_equal(client_version(&c, EXTENSION), 0);
	assert_non_null(strstr((char *)c.body + 4, "\"godwit\""));
	assert_true(c.data_fd >= 0);
	assert_int_equal(client_call(&c, 4, info, sizeof(info)), 0);
	memcpy(info, c.body, sizeof(info));
	assert_int_equal(info[1], 3);
	assert_int_equal(info[2], 9);
	assert_int_equal(info[3], 5);
	assert_int_equal(client_call(&c, 5, region, sizeof(region)), 0);
	memcpy(region, c.body, sizeof(region));
	assert_int_equal(region[4], s.options.state_bytes);
	assert_int_equal(client_call(&c, 7, irq, sizeof(irq)), 0);
	memcpy(irq, c.body, sizeof(irq));
	assert_int_equal(irq[3], REFDEV_NR_VECTORS);
	assert_int_equal(client_read(&c, 7, 0, 4), REFDEV_VENDOR_ID | REFDEV_DEVICE_ID << 16);
	assert_int_equal(client_write(&c, 7, 0x18, UINT32_MAX, 4), 0); /* BAR 2 is sized */
	assert_int_equal(client_read(&c, 7, 0x18, 4), (uint32_t) ~(s.options.state_bytes - 1) | 0xc);
	assert_int_equal(client_read(&c, 0, REFDEV_REG_MAGIC, 4), REFDEV_MAGIC);
	client_close(&c);
	server_stop(&s);
}

static void plain_client_gets_plain_vfio_user(void **state)
{
	uint32_t migration[4] = { 16, 1 << 16 | 1 }, info[8] = { 32, 1 << 16 | 0x6701 };
	struct server s;
	struct ref_client c;

	server_start(&s, 1, 0);
	client_open(&c, s.path);
	assert_int_equal(client_version(&c, "{\"capabilities\":{}}"), 0);
	assert_null(strstr((char *)c.body + 4, "\"godwit\""));
	assert_int_equal(c.data_fd, -1);
	assert_int_equal(client_call(&c, 16, migration, sizeof(migration)), 0);
	assert_int_equal(c.body[8], 1 | 4);
	assert_int_equal(client_call(&c, 16, info, sizeof(info)), ENOTTY);
	assert_int_equal(client_set_state(&c, 5), EINVAL);
	assert_int_equal(client_set_state(&c, 7), EINVAL);
	assert_int_equal(client_set_state(&c, 6), 0);
	assert_int_equal(client_set_state(&c, 3), 0);
	assert_int_equal(client_get_state(&c), 3);
	assert_int_equal(client_set_state(&c, 6), EINVAL);
	assert_int_equal(client_set_state(&c, 2), 0);
	client_close(&c);
	server_stop(&s);
}

/* Takes the stream's records from `next` on until `until` were taken, giving credit; checks each. */
static uint64_t take_records(struct ref_client *c, struct guest *g, uint64_t next, uint64_t until, uint64_t serial)
{
	while (next < until) {
		struct refdev_record *r = (struct refdev_record *)(void *)g->ram + next % RING_SLOTS;

		if (__atomic_load_n(&r->sequence, __ATOMIC_ACQUIRE) != next + 1) {
			wait_vector(g, REFDEV_VECTOR_STREAM);
			continue;
		}
		assert_int_equal(r->serial, serial);
		assert_int_equal(r->check, refdev_record_check(next, serial));
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(r->words[i], refdev_mix(r->check + i));
		assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_CONSUMER, ++next, 8), 0);
	}
	return next;
}

static void start_stream(struct ref_client *c)
{
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_RING, RING_IOVA, 8), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_ENTRIES, RING_SLOTS, 4), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_RATE, 20000, 8), 0);
	assert_int_equal(client_write(c, 0, REFDEV_REG_STREAM_CONTROL, REFDEV_STREAM_START, 4), 0);
}

/* Moves what one device gives to the other, over their data sockets, until it gives nothing. */
static void move_data(struct ref_client *from, struct ref_client *to)
{
	int n;

	while ((n = client_data_read(from, from->data_fd, 100000)) > 0)
		assert_int_equal(client_data_write(to, to->data_fd, from->body + 8, (uint32_t)n), 0);
	assert_int_equal(n, 0);
}

static void expect_quiet(struct ref_client *c, struct guest *g)
{
	uint8_t *before = malloc(GUEST_BYTES);

	assert_non_null(before);
	memcpy(before, g->ram, GUEST_BYTES);
	for (int i = 0; i < 100; i++)
		client_read(c, 0, REFDEV_REG_MAGIC, 4);
	assert_memory_equal(before, g->ram, GUEST_BYTES);
	free(before);
}

static void expect_op_ended_once(struct ref_client *c, uint64_t tag)
{
	assert_int_equal(client_read(c, 0, REFDEV_REG_OP_STATUS, 4), REFDEV_STATUS_DONE);
	assert_int_equal(client_read(c, 0, REFDEV_REG_OP_COMPLETED, 8), 2);
	assert_int_equal(client_read(c, 0, REFDEV_REG_OP_LAST_TAG, 8), tag);
}

static void migrate(struct ref_client *from, struct ref_client *to, struct guest *source, struct guest *target)
{
	uint32_t info[8] = { 32, 1 << 16 | 0x6701 };

	assert_int_equal(client_set_state(to, 4), 0);
	assert_int_equal(client_set_state(from, 6), 0);
	assert_int_equal(client_call(from, 16, info, sizeof(info)), 0);
	move_data(from, to);
	assert_int_equal(client_set_state(from, 7), 0);
	assert_int_equal(client_set_state(from, 3), 0);
	assert_int_equal(client_call(from, 16, info, sizeof(info)), EINVAL);
	expect_quiet(from, source);
	move_data(from, to);
	memcpy(target->ram, source->ram, GUEST_BYTES);
	assert_int_equal(client_set_state(to, 2), 0);
}

static void operation_and_stream_move(void **state)
{
	struct server a, b;
	struct ref_client from, to;
	struct guest source, target;
	uint64_t taken;

	server_start(&a, 11, 0);
	server_start(&b, 22, 0);
	guest_init(&source);
	guest_init(&target);
	connect_guest(&from, &a, &source);
	connect_guest(&to, &b, &target);
	start_op(&from, REFDEV_OP_FILL, 0, (uint64_t)1 << 20, 1);
	assert_int_equal(wait_vector(&source, REFDEV_VECTOR_OPERATION), 1);
	start_stream(&from);
	taken = take_records(&from, &source, 0, 500, 11);
	/* 1 MiB at 1 MiB/s would take a second: it is in flight when the device stops. */
	assert_int_equal(client_write(&from, 0, REFDEV_REG_OP_RATE, (uint64_t)1 << 20, 8), 0);
	start_op(&from, REFDEV_OP_COPY_OUT, BUFFER_IOVA, (uint64_t)1 << 20, 2);
	taken = take_records(&from, &source, taken, 1000, 11);
	migrate(&from, &to, &source, &target);
	client_close(&from);
	assert_int_equal(client_write(&to, 0, REFDEV_REG_OP_RATE, 0, 8), 0);
	assert_int_equal(wait_vector(&target, REFDEV_VECTOR_OPERATION), 1);
	expect_op_ended_once(&to, 2);
	for (uint64_t i = 0; i < ((uint64_t)1 << 20) / 8; i++)
		assert_int_equal(((uint64_t *)(void *)(target.ram + (1 << 20)))[i], refdev_fill_word(0, i));
	take_records(&to, &target, taken, 2000, 11);
	assert_int_equal(client_read(&to, 0, REFDEV_REG_STREAM_STATUS, 4), REFDEV_STATUS_BUSY);
	assert_int_equal(client_read(&to, 0, REFDEV_REG_OP_COMPLETED, 8), 2);
	client_close(&to);
	server_stop(&a);
	server_stop(&b);
	guest_fini(&source);
	guest_fini(&target);
}

static void the_log_knows_what_was_written(void **state)
{
	uint64_t start[3] = { 24 | (uint64_t)(1 << 17 | 6) << 32, 4096, 0 };
	uint64_t report[4] = { 4096 | (uint64_t)(1 << 16 | 8) << 32, GUEST_IOVA, GUEST_BYTES, 4096 };
	uint64_t bits[16];
	struct server s;
	struct ref_client c;
	struct guest g;

	server_start(&s, 1, 0);
	guest_init(&g);
	connect_guest(&c, &s, &g);
	assert_int_equal(client_call(&c, 16, start, sizeof(start)), 0);
	start_op(&c, REFDEV_OP_COPY_OUT, BUFFER_IOVA + 4096 - 8, 16, 1);
	wait_vector(&g, REFDEV_VECTOR_OPERATION);
	for (uint64_t expected = 3;; expected = 0) {
		assert_int_equal(client_call(&c, 16, report, sizeof(report)), 0);
		assert_int_equal(c.size, 32 + sizeof(bits));
		memcpy(bits, c.body + 32, sizeof(bits));
		for (size_t i = 0; i < 16; i++)
			assert_int_equal(bits[i], i == 4 ? expected : 0);
		if (!expected)
			break;
	}
	client_close(&c);
	server_stop(&s);
	guest_fini(&g);
}

/* A client goes while an operation runs and the device is stopped for saving; the next one finds all of it. */
static void the_next_client_finds_the_device(void **state)
{
	struct server s;
	struct ref_client c;
	struct guest g;

	server_start(&s, 1, 0);
	guest_init(&g);
	connect_guest(&c, &s, &g);
	assert_int_equal(client_write(&c, 0, REFDEV_REG_OP_RATE, 1 << 20, 8), 0);
	start_op(&c, REFDEV_OP_COPY_OUT, BUFFER_IOVA, 1 << 20, 9);
	client_close(&c);
	client_open(&c, s.path);
	assert_int_equal(client_version(&c, EXTENSION), 0);
	assert_int_equal(client_get_state(&c), 2);
	assert_int_equal(client_read(&c, 0, REFDEV_REG_OP_STATUS, 4), REFDEV_STATUS_BUSY);
	assert_int_equal(client_set_state(&c, 3), 0);
	client_close(&c);
	connect_guest(&c, &s, &g);
	assert_int_equal(client_get_state(&c), 3);
	assert_int_equal(client_set_state(&c, 2), 0);
	assert_int_equal(client_write(&c, 0, REFDEV_REG_OP_RATE, 0, 8), 0);
	assert_int_equal(wait_vector(&g, REFDEV_VECTOR_OPERATION), 1);
	assert_int_equal(client_read(&c, 0, REFDEV_REG_OP_STATUS, 4), REFDEV_STATUS_DONE);
	assert_int_equal(client_call(&c, 13, NULL, 0), 0);
	assert_int_equal(client_read(&c, 0, REFDEV_REG_OP_COMPLETED, 8), 0);
	client_close(&c);
	server_stop(&s);
	guest_fini(&g);
}

/* Raised with no eventfd, kept over STOP and another client, delivered once when one is bound and the device runs. */
static void a_pending_interrupt_waits_for_its_eventfd(void **state)
{
	uint64_t count;
	struct server s;
	struct ref_client c;
	struct guest g;

	server_start(&s, 1, 0);
	guest_init(&g);
	client_open(&c, s.path);
	assert_int_equal(client_version(&c, EXTENSION), 0);
	start_op(&c, REFDEV_OP_FILL, 0, 4096, 1);
	while (client_read(&c, 0, REFDEV_REG_OP_STATUS, 4) == REFDEV_STATUS_BUSY)
		;
	assert_int_equal(client_read(&c, REFDEV_BAR_MSIX, REFDEV_MSIX_PBA, 8), 1 << REFDEV_VECTOR_OPERATION);
	assert_int_equal(client_set_state(&c, 1), 0);
	client_close(&c);
	connect_guest(&c, &s, &g);
	assert_int_equal(client_read(&c, REFDEV_BAR_MSIX, REFDEV_MSIX_PBA, 8), 1 << REFDEV_VECTOR_OPERATION);
	assert_int_equal(client_set_state(&c, 2), 0);
	assert_int_equal(wait_vector(&g, REFDEV_VECTOR_OPERATION), 1);
	assert_int_equal(client_read(&c, REFDEV_BAR_MSIX, REFDEV_MSIX_PBA, 8), 0);
	assert_int_equal(fcntl(g.eventfds[0], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(read(g.eventfds[0], &count, sizeof(count)), -1);
	client_close(&c);
	server_stop(&s);
	guest_fini(&g);
}

/* Told to stop in the middle of an arc that takes hours, the device ends. */
static void a_stop_does_not_wait_for_an_arc(void **state)
{
	const uint32_t set[8] = { 16 << 16, 32, 0, 0, 16, 1 << 17 | 2, 1, UINT32_MAX };
	struct server s;
	struct ref_client c;

	server_start_slow(&s, 3600 * 1000000000ull);
	client_open(&c, s.path);
	assert_int_equal(client_version(&c, EXTENSION), 0);
	client_send(c.fd, set, sizeof(set), NULL, 0);
	server_stop(&s);
	client_close(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_and_information),
		cmocka_unit_test(plain_client_gets_plain_vfio_user),
		cmocka_unit_test(operation_and_stream_move),
		cmocka_unit_test(the_log_knows_what_was_written),
		cmocka_unit_test(the_next_client_finds_the_device),
		cmocka_unit_test(a_pending_interrupt_waits_for_its_eventfd),
		cmocka_unit_test(a_stop_does_not_wait_for_an_arc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
