/* SPDX-License-Identifier: BSD-3-Clause */
/* The dirty ring against a kernel that does what it should not (fake_kvm_ring.h). */
#include "fake_kvm_ring.h"

#include "base/bitmap.h"
#include "base/bits.h"

#define BLOCK_BYTES (1 * MIB)
#define NR_PAGES    (BLOCK_BYTES / GW_PAGE_BYTES)

static const struct gw_ram_block ram = { .id = "ram", .gpa = 0, .size_bytes = BLOCK_BYTES };
static const struct gw_kvm_slot slots[] = {
	{ .slot = 3, .gpa = 0, .size_bytes = BLOCK_BYTES / 2 },
	{ .slot = 5, .gpa = BLOCK_BYTES / 2, .size_bytes = BLOCK_BYTES / 2 },
	{ .slot = 0x10003, .gpa = 0, .size_bytes = BLOCK_BYTES / 2 }, /* SMM's view of the first */
};

static struct gw_kvm_vm vm_of(const int *fds)
{
	return (struct gw_kvm_vm){
		.size = sizeof(struct gw_kvm_vm),
		.vcpu_fds = fds,
		.nr_vcpus = NR_VCPUS,
		.slots = slots,
		.nr_slots = ARRAY_SIZE(slots),
		.ram = &ram,
		.nr_ram = 1,
	};
}

static struct gw_kvm_log *open_log(void)
{
	struct gw_kvm_log *log;
	struct gw_error e = GW_ERROR_NONE;
	struct gw_kvm_vm vm;

	open_kernel();
	vm = vm_of(kernel.fds);
	assert_int_equal(gw_kvm_log_new(&log, VM_FD, GW_KVM_LOG_RING, ENTRIES, &e), 0);
	assert_int_equal(kernel.manual, 0);
	assert_int_equal(gw_kvm_log_attach(log, &vm, &e), 0);
	assert_int_equal(gw_kvm_log_start(log, &e), 0);
	assert_true(kernel.logs);
	return log;
}

static void close_log(struct gw_kvm_log *log)
{
	gw_kvm_log_free(log);
	assert_false(kernel.logs);
	close_kernel();
}

/* How many pages a sync tells. */
static uint64_t sync_log(struct gw_kvm_log *log, uint64_t *bitmap)
{
	struct gw_error e = GW_ERROR_NONE;

	memset(bitmap, 0, bitmap_words(NR_PAGES) * sizeof(*bitmap));
	assert_int_equal(gw_kvm_log_sync(log, 0, bitmap, &e), 0);
	return bitmap_count(bitmap, NR_PAGES);
}

static void assert_lost(struct gw_kvm_log *log)
{
	uint64_t bitmap[NR_PAGES / 64];
	struct gw_error e = GW_ERROR_NONE;

	assert_int_equal(gw_kvm_log_sync(log, 0, bitmap, &e), -EOVERFLOW);
	assert_non_null(strstr(e.what, "lost"));
	/* It stays so: for the vCPU, and for the next migration. */
	assert_int_equal(gw_kvm_log_ring_full(log, NULL), -EOVERFLOW);
	gw_kvm_log_stop(log);
	assert_int_equal(gw_kvm_log_start(log, NULL), -EOVERFLOW);
	assert_false(kernel.logs);
}

static void test_entries_become_pages(void **state)
{
	uint64_t bitmap[NR_PAGES / 64];
	struct gw_kvm_log *log = open_log();

	push(0, 3, 0);
	push(1, 5, NR_PAGES / 2 - 1);
	push(0, 0x10003, 7);
	push(0, 9, 4); /* a slot that the VMM logs for itself */
	assert_int_equal(sync_log(log, bitmap), 3);
	assert_true(bitmap_test(bitmap, 0) && bitmap_test(bitmap, 7) && bitmap_test(bitmap, NR_PAGES - 1));
	assert_int_equal(kernel.nr_resets, 1);
	assert_int_equal(sync_log(log, bitmap), 0);
	close_log(log);
}

/* Around the ring many times, emptied now by a vCPU, now by a sync. */
static void test_nothing_is_lost_in_turns(void **state)
{
	uint64_t bitmap[NR_PAGES / 64];
	struct gw_kvm_log *log = open_log();

	for (uint32_t i = 0; i < 20; i++) {
		for (uint32_t page = 0; page < 100; page++)
			push(0, 3, page);
		assert_int_equal(gw_kvm_log_ring_full(log, NULL), 0);
		for (uint32_t page = 0; page < 100; page++)
			push(0, 5, page);
		assert_int_equal(sync_log(log, bitmap), 200);
		assert_int_equal(kernel.taken[0], kernel.pushed[0]);
	}
	close_log(log);
}

/* What was written before a start is not told after it. */
static void test_start_forgets(void **state)
{
	uint64_t bitmap[NR_PAGES / 64];
	struct gw_kvm_log *log = open_log();

	push(0, 3, 1);
	assert_int_equal(gw_kvm_log_ring_full(log, NULL), 0);
	push(0, 3, 2);
	gw_kvm_log_stop(log);
	assert_int_equal(gw_kvm_log_start(log, NULL), 0);
	assert_int_equal(sync_log(log, bitmap), 0);
	close_log(log);
}

/* A signal that waits when a reset begins would cut it short: it comes after the sync instead. */
static void test_signal_waits(void **state)
{
	struct sigaction action = { .sa_handler = on_signal }, before;
	uint64_t bitmap[NR_PAGES / 64];
	struct gw_kvm_log *log = open_log();

	sigaction(SIGUSR1, &action, &before);
	kernel.signals = true;
	push(0, 3, 1);
	assert_int_equal(sync_log(log, bitmap), 1);
	assert_true(kernel.came);
	assert_int_equal(kernel.nr_resets, 1);
	kernel.came = kernel.signals = false;
	assert_int_equal(sync_log(log, bitmap), 0); /* not loose: the reset was whole */
	sigaction(SIGUSR1, &before, NULL);
	close_log(log);
}

/* Of a reset that was cut short some pages may be writable and not logged: they are told until the next start. */
static void test_short_reset_leaves_pages_loose(void **state)
{
	uint64_t bitmap[NR_PAGES / 64];
	struct gw_kvm_log *log = open_log();

	for (uint64_t page = 0; page < 10; page++)
		push(0, 3, page);
	kernel.nr_short = 2;
	assert_int_equal(sync_log(log, bitmap), 10);
	assert_int_equal(kernel.nr_resets, 3);
	assert_int_equal(kernel.taken[0], 10);
	push(1, 5, 1);
	assert_int_equal(sync_log(log, bitmap), 11);
	assert_int_equal(sync_log(log, bitmap), 10);
	gw_kvm_log_stop(log);
	assert_int_equal(gw_kvm_log_start(log, NULL), 0);
	assert_int_equal(sync_log(log, bitmap), 0);
	close_log(log);
}

/* A reset that fails loses nothing: the next sync tells. */
static void test_failed_reset(void **state)
{
	uint64_t bitmap[NR_PAGES / 64] = { 0 };
	struct gw_kvm_log *log = open_log();

	push(0, 3, 1);
	kernel.reset_fails = EIO;
	assert_int_equal(gw_kvm_log_sync(log, 0, bitmap, NULL), -EIO);
	assert_int_equal(bitmap_count(bitmap, NR_PAGES), 0);
	kernel.reset_fails = 0;
	push(0, 3, 2);
	assert_int_equal(sync_log(log, bitmap), 2);
	close_log(log);
}

static void test_ring_full_to_the_brim_is_overrun(void **state)
{
	struct gw_kvm_log *log = open_log();

	for (uint32_t i = 0; i < ENTRIES + 40; i++)
		push(0, 3, i % 100);
	assert_lost(log);
	close_log(log);
}

/* Entries that the log has given back, written over before the kernel took them. */
static void test_entries_that_do_not_come_back_are_overrun(void **state)
{
	struct gw_kvm_log *log = open_log();

	push(0, 3, 1);
	kernel.stuck = true;
	assert_lost(log);
	close_log(log);
}

static void test_count_that_cannot_be(void **state)
{
	struct gw_kvm_log *log = open_log();

	push(0, 3, 1);
	kernel.add = 1;
	assert_lost(log);
	close_log(log);
}

/* After an overrun that nobody saw: the kernel writes on some entries further, and the vCPU is told that it is full. */
static void test_hole_is_overrun(void **state)
{
	struct gw_kvm_log *log = open_log();

	kernel.pushed[0] += 5;
	push(0, 3, 1);
	assert_int_equal(gw_kvm_log_ring_full(log, NULL), -EOVERFLOW);
	assert_lost(log);
	close_log(log);
}

static void test_page_beyond_its_slot(void **state)
{
	struct gw_kvm_log *log = open_log();

	push(0, 3, NR_PAGES / 2);
	assert_lost(log);
	close_log(log);
}

static void test_wrong_vcpu_fd(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct gw_kvm_log *log;
	struct gw_kvm_vm vm;
	int fds[NR_VCPUS];

	open_kernel();
	vm = vm_of(fds);
	fds[0] = kernel.fds[0];
	assert_int_equal(gw_kvm_log_new(&log, VM_FD, GW_KVM_LOG_RING, ENTRIES, NULL), 0);
	fds[1] = -1;
	assert_int_equal(gw_kvm_log_attach(log, &vm, NULL), -EBADFD);
	fds[1] = memfd_create("no ring", MFD_CLOEXEC);
	assert_int_equal(gw_kvm_log_attach(log, &vm, &e), -EBADFD);
	assert_non_null(strstr(e.what, "vCPU 1"));
	close(fds[1]);
	vm.nr_vcpus = 0;
	assert_int_equal(gw_kvm_log_attach(log, &vm, NULL), -EINVAL);
	vm.nr_vcpus = NR_VCPUS;
	fds[1] = kernel.fds[1];
	assert_int_equal(gw_kvm_log_attach(log, &vm, NULL), 0);
	gw_kvm_log_free(log);
	close_kernel();
}

static void test_ring_that_cannot_be_had(void **state)
{
	struct gw_kvm_log *log;

	kernel = (struct kernel){ .is_pvm = true };
	assert_int_equal(gw_kvm_log_new(&log, VM_FD, GW_KVM_LOG_RING, ENTRIES, NULL), -EOPNOTSUPP);
	assert_null(log);
	assert_int_equal(gw_kvm_log_new(&log, VM_FD, GW_KVM_LOG_AUTO, 0, NULL), 0);
	assert_int_equal(gw_kvm_log_mode(log), GW_KVM_LOG_BITMAP);
	gw_kvm_log_free(log);
	kernel.is_pvm = false;
	assert_int_equal(gw_kvm_log_new(&log, VM_FD, GW_KVM_LOG_RING, ENTRIES - 1, NULL), -EINVAL);
	assert_int_equal(gw_kvm_log_new(&log, VM_FD, GW_KVM_LOG_RING, 2 * ENTRIES, NULL), -E2BIG);
	kernel.ring_fails = EINVAL;
	assert_int_equal(gw_kvm_log_new(&log, VM_FD, GW_KVM_LOG_RING, ENTRIES, NULL), -EINVAL);
	assert_null(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries_become_pages),
		cmocka_unit_test(test_nothing_is_lost_in_turns),
		cmocka_unit_test(test_start_forgets),
		cmocka_unit_test(test_signal_waits),
		cmocka_unit_test(test_short_reset_leaves_pages_loose),
		cmocka_unit_test(test_failed_reset),
		cmocka_unit_test(test_ring_full_to_the_brim_is_overrun),
		cmocka_unit_test(test_entries_that_do_not_come_back_are_overrun),
		cmocka_unit_test(test_count_that_cannot_be),
		cmocka_unit_test(test_hole_is_overrun),
		cmocka_unit_test(test_page_beyond_its_slot),
		cmocka_unit_test(test_wrong_vcpu_fd),
		cmocka_unit_test(test_ring_that_cannot_be_had),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
