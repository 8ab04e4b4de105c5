/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device behind a board, over vfio-user: a guest's driver works it through its BARs, its completion
 * interrupt comes, and both move together while the interrupt waits.
 */
#include "board_rig.h"
#include "ref/device_registers.h"
#include "ref_server.h"

#define STATE_BYTES (8u << 20)

static struct machine *machine_with_ref(const struct server *server)
{
	struct machine *m = malloc(sizeof(*m));
	struct gw_error e = GW_ERROR_NONE;
	char uri[128];

	assert_non_null(m);
	open_vm(m);
	snprintf(uri, sizeof(uri), "vfio-user:%s", server->path);
	if (gw_device_open(&m->devs[0], "dev0", uri, &e) || guest_memory_map(&m->ram, m->devs[0], &e))
		fail_msg("%s: %s", e.where, e.what);
	m->nr_devs = 1;
	if (open_board(m, &e))
		fail_msg("%s: %s", e.where, e.what);
	return m;
}

static uint64_t registers_of(struct machine *m)
{
	return bar_at(m, 1, REFDEV_BAR_REGISTERS);
}

static uint64_t table_of(struct machine *m)
{
	return bar_at(m, 1, REFDEV_BAR_MSIX) + REFDEV_MSIX_TABLE;
}

static void mem_out64(struct machine *m, uint64_t gpa, uint64_t value)
{
	bus_write(&m->board.memory, gpa, &value, sizeof(value));
}

static void fill(struct machine *m, uint64_t tag)
{
	uint64_t at = registers_of(m);

	mem_out(m, at + REFDEV_REG_OP_CODE, 4, REFDEV_OP_FILL);
	mem_out64(m, at + REFDEV_REG_OP_LOCAL, 0);
	mem_out64(m, at + REFDEV_REG_OP_LENGTH, 4096);
	mem_out64(m, at + REFDEV_REG_OP_SEED, 1);
	mem_out64(m, at + REFDEV_REG_OP_TAG, tag);
	mem_out(m, at + REFDEV_REG_OP_DOORBELL, 4, 1);
	wait_until(mem_in(m, at + REFDEV_REG_OP_STATUS, 4) == REFDEV_STATUS_DONE);
}

static void start_driver(struct machine *m)
{
	cfg_out(m, 1, PCI_COMMAND, 2, cfg_in(m, 1, PCI_COMMAND, 2) | PCI_COMMAND_MASTER);
	for (uint32_t v = 0; v < REFDEV_NR_VECTORS; v++)
		set_vector(m, table_of(m), v, 0);
	cfg_out(m, 1, m->board.devices[0].msix_at + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
}

static void mask(struct machine *m, int masked)
{
	mem_out(m, table_of(m) + 16 * REFDEV_VECTOR_OPERATION + 12, 4, (uint32_t)masked);
}

static uint32_t pending_of(struct machine *m)
{
	return mem_in(m, bar_at(m, 1, REFDEV_BAR_MSIX) + REFDEV_MSIX_PBA, 4);
}

static void go(struct machine *m, uint32_t device_state)
{
	struct gw_error e = GW_ERROR_NONE;

	if (gw_device_state_set(m->devs[0], device_state, &e))
		fail_msg("%s: %s", e.where, e.what);
}

static void move_device(struct machine *from, struct machine *to)
{
	uint8_t *buf = malloc(STATE_BYTES);
	size_t size = 0;
	ssize_t ret;

	assert_non_null(buf);
	go(from, GW_STATE_STOP_COPY);
	while ((ret = gw_device_data_read(from->devs[0], buf + size, STATE_BYTES - size, NULL)) > 0)
		size += (size_t)ret;
	assert_int_equal(ret, 0);
	go(to, GW_STATE_RESUMING);
	for (size_t at = 0; at < size; at += (size_t)ret) {
		ret = gw_device_data_write(to->devs[0], buf + at, size - at, NULL);
		assert_true(ret > 0);
	}
	go(to, GW_STATE_STOP);
	free(buf);
}

struct pair {
	struct server servers[2];
	struct machine *from, *to;
};

/* The device's driver has started on one of them. */
static void open_pair(struct pair *p)
{
	server_start(&p->servers[0], 4711, 0);
	server_start(&p->servers[1], 815, 0);
	p->from = machine_with_ref(&p->servers[0]);
	p->to = machine_with_ref(&p->servers[1]);
	start_driver(p->from);
}

static void close_pair(struct pair *p)
{
	machine_close(p->from);
	machine_close(p->to);
	server_stop(&p->servers[0]);
	server_stop(&p->servers[1]);
}

/* The device first, then what the board knows of it; then it runs there. */
static void move_both(struct pair *p)
{
	move_device(p->from, p->to);
	move(p->from, p->to);
	go(p->to, GW_STATE_RUNNING);
	assert_int_equal(board_release_interrupts(&p->to->board, NULL), 0);
}

static void test_a_driver_works_it(void **state)
{
	struct server server;
	struct machine *m;

	server_start(&server, 4711, 0);
	m = machine_with_ref(&server);
	assert_int_equal(cfg_in(m, 1, PCI_VENDOR_ID, 2), REFDEV_VENDOR_ID);
	assert_int_equal(cfg_in(m, 1, PCI_INTERRUPT_PIN, 1), 0);
	assert_int_equal(mem_in(m, registers_of(m) + REFDEV_REG_MAGIC, 4), REFDEV_MAGIC);
	assert_int_equal(m->board.devices[0].bars[REFDEV_BAR_MEMORY].nr_parts, 1); /* its window */
	start_driver(m);
	for (uint64_t tag = 1; tag < 10; tag++) {
		fill(m, tag);
		assert_comes_once(m, VECTOR + REFDEV_VECTOR_OPERATION);
	}
	mask(m, 1);
	fill(m, 10);
	wait_until(pending_of(m) == 1u << REFDEV_VECTOR_OPERATION);
	assert_does_not_come(m, VECTOR + REFDEV_VECTOR_OPERATION);
	mask(m, 0);
	assert_comes_once(m, VECTOR + REFDEV_VECTOR_OPERATION);
	assert_int_equal(m->board.devices[0].nr_failed, 0);
	machine_close(m);
	server_stop(&server);
}

static void test_it_moves_with_an_interrupt_that_waits(void **state)
{
	struct machine *from, *to;
	struct pair p;

	open_pair(&p);
	from = p.from;
	to = p.to;
	mask(from, 1);
	fill(from, 1);
	wait_until(pending_of(from) == 1u << REFDEV_VECTOR_OPERATION);

	move_both(&p);
	assert_int_equal(mem_in(to, registers_of(to) + REFDEV_REG_SERIAL, 4), 4711);
	assert_int_equal(pending_of(to), 1u << REFDEV_VECTOR_OPERATION);
	assert_does_not_come(to, VECTOR + REFDEV_VECTOR_OPERATION);
	mask(to, 0);
	assert_comes_once(to, VECTOR + REFDEV_VECTOR_OPERATION);
	fill(to, 2);
	assert_comes_once(to, VECTOR + REFDEV_VECTOR_OPERATION);
	assert_int_equal(to->board.devices[0].nr_failed, 0);
	close_pair(&p);
}

static void test_it_moves_without_one(void **state)
{
	struct machine *from, *to;
	struct pair p;

	open_pair(&p);
	from = p.from;
	to = p.to;
	fill(from, 1);
	assert_comes_once(from, VECTOR + REFDEV_VECTOR_OPERATION);
	move_both(&p);
	assert_does_not_come(to, VECTOR + REFDEV_VECTOR_OPERATION);

	/* Given up after all: the source goes on as if nothing had been. */
	go(from, GW_STATE_RUNNING);
	assert_int_equal(board_release_interrupts(&from->board, NULL), 0);
	assert_does_not_come(from, VECTOR + REFDEV_VECTOR_OPERATION);
	fill(from, 2);
	assert_comes_once(from, VECTOR + REFDEV_VECTOR_OPERATION);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_driver_works_it),
		cmocka_unit_test(test_it_moves_with_an_interrupt_that_waits),
		cmocka_unit_test(test_it_moves_without_one),
	};

	return cmocka_run_group_tests_name("refvm_board_ref", tests, NULL, NULL);
}
