/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's dirty log against a KVM guest: two vCPUs write numbers to pages without end; a copy that takes from RAM
 * what the log tells, sync after sync, is the same as RAM when the guest stands still. Skipped where KVM is not to be
 * had; the ring, where it is known to lose writes. What a ring's kernel may do wrong is test_kvm_ring.c's.
 */
#include "kvm_rig.h"

#include "base/bitmap.h"
#include "base/clock.h"

#include <poll.h>
#include <sys/time.h>

#define NR_PAUSES   30
#define PATIENCE_NS (60 * NS_PER_S)

/* A signal every millisecond, for the thread that syncs, or none: what a sync tells does not depend on it. */
static void set_alarm(bool on)
{
	struct itimerval every = { .it_interval.tv_usec = on ? 1000 : 0, .it_value.tv_usec = on ? 1000 : 0 };

	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

/* Every page that the log tells goes over to the copy; how many there were. */
static uint64_t sync_copy(struct rig *rig)
{
	uint64_t bitmap[BLOCK_BYTES / GW_PAGE_BYTES / BITMAP_WORD_BITS], nr = 0;
	struct gw_error e = GW_ERROR_NONE;

	for (uint32_t block = 0; block < NR_BLOCKS; block++) {
		memset(bitmap, 0, sizeof(bitmap));
		assert_int_equal(gw_kvm_log_sync(rig->log, block, bitmap, &e), 0);
		for (uint64_t page = 0; page < BLOCK_BYTES / GW_PAGE_BYTES; page++) {
			if (!bitmap_test(bitmap, page))
				continue;
			memcpy(rig->shadow[block] + page * GW_PAGE_BYTES,
			       (uint8_t *)rig->ram[block].hva + page * GW_PAGE_BYTES, GW_PAGE_BYTES);
			nr++;
		}
	}
	return nr;
}

static void assert_same(const struct rig *rig)
{
	for (int i = 0; i < NR_BLOCKS; i++)
		assert_memory_equal(rig->shadow[i], rig->ram[i].hva, BLOCK_BYTES);
}

/* Full is a ring that nobody looks at. Without the alarm, which would leave a slow machine's guest no time to write. */
static void await_full(const struct rig *rig, uint64_t deadline_ns)
{
	set_alarm(false);
	while (!rig->nr_full) {
		assert_true(clock_now_ns(&clock_monotonic) < deadline_ns);
		poll(NULL, 0, 1);
	}
	set_alarm(true);
}

/* Syncs until each has told something so often, and the ring, if that is the way, was full once. */
static void follow(struct rig *rig, int mode)
{
	uint64_t deadline_ns = clock_deadline_ns(&clock_monotonic, PATIENCE_NS);

	for (int told = 0; told < 20 || (mode == GW_KVM_LOG_RING && !rig->nr_full);) {
		assert_true(clock_now_ns(&clock_monotonic) < deadline_ns);
		told += sync_copy(rig) > 0;
		if (told == 10 && mode == GW_KVM_LOG_RING && !rig->nr_full)
			await_full(rig, deadline_ns);
	}
}

/* A page that was missed is made up for by the next time the guest writes it: pause before it gets there, often. */
static void follow_with_pauses(struct rig *rig)
{
	for (int pauses = 0; pauses < NR_PAUSES; pauses++) {
		resume(rig);
		for (int syncs = 0; syncs < 3; syncs++)
			sync_copy(rig);
		pause_guest(rig);
		sync_copy(rig);
		assert_same(rig);
		assert_int_equal(sync_copy(rig), 0);
	}
}

static void follows_the_guest(int mode)
{
	struct gw_error e = GW_ERROR_NONE;
	struct rig rig;

	open_rig(&rig, mode);
	attach(&rig);
	for (int times = 0; times < 2; times++) {
		/* A log that begins anew begins with what RAM is now. */
		for (int i = 0; i < NR_BLOCKS; i++)
			memcpy(rig.shadow[i], rig.ram[i].hva, BLOCK_BYTES);
		assert_int_equal(gw_kvm_log_start(rig.log, &e), 0);
		assert_int_equal(sync_copy(&rig), 0);
		resume(&rig);
		set_alarm(true);
		follow(&rig, mode);
		pause_guest(&rig);
		sync_copy(&rig);
		assert_same(&rig);
		follow_with_pauses(&rig);
		set_alarm(false);
		gw_kvm_log_stop(rig.log);
		/* Written while nobody logs. */
		resume(&rig);
		pause_guest(&rig);
		rig.nr_full = 0;
	}
	close_rig(&rig);
}

static void test_ring(void **state)
{
	follows_the_guest(GW_KVM_LOG_RING);
}

static void test_bitmap(void **state)
{
	follows_the_guest(GW_KVM_LOG_BITMAP);
}

/* What a VMM's mistake looks like; after each the same log can still be attached. */
static void test_attach_looks_at_what_it_gets(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct gw_kvm_vm vm;
	struct rig rig;

	open_rig(&rig, GW_KVM_LOG_BITMAP);
	vm = vm_of(&rig);
	assert_int_equal(gw_kvm_log_start(rig.log, NULL), -EINVAL);
	vm.nr_slots = 2;
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, &e), -EINVAL);
	assert_string_equal(e.what, "768 of the 1024 pages of RAM block high lie in no memory slot");
	vm.nr_slots = NR_SLOTS;
	rig.slots[2].gpa -= GW_PAGE_BYTES; /* the last page is in none */
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, NULL), -EINVAL);
	rig.slots[2].gpa += 2 * GW_PAGE_BYTES; /* and beyond the block */
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, NULL), -EINVAL);
	rig.slots[2].gpa -= GW_PAGE_BYTES;
	rig.slots[2].size_bytes -= 1; /* the whole block, but for a byte */
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, &e), -EINVAL);
	assert_non_null(strstr(e.what, "not whole pages"));
	rig.slots[2].size_bytes += 1;
	rig.slots[0].flags = KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, NULL), -EINVAL);
	rig.slots[0].flags = 0;
	vm.size--;
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, NULL), -EINVAL);
	vm.size++;
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, &e), 0);
	assert_int_equal(gw_kvm_log_attach(rig.log, &vm, NULL), -EALREADY);
	close_rig(&rig);
}

/* A slot that KVM does not have cannot be logged: start says so, and leaves nothing on. */
static void test_slot_that_kvm_does_not_know(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct kvm_dirty_log log = { .slot = 0, .dirty_bitmap = (uint64_t[BLOCK_BYTES / GW_PAGE_BYTES / 64]){ 0 } };
	struct rig rig;

	open_rig(&rig, GW_KVM_LOG_BITMAP);
	rig.slots[2].slot = 7; /* overlaps slot 2, which KVM refuses */
	attach(&rig);
	assert_int_equal(gw_kvm_log_start(rig.log, &e), -EEXIST);
	assert_int_equal(ioctl(rig.vm, KVM_GET_DIRTY_LOG, &log), -1);
	assert_int_equal(errno, ENOENT); /* not logged */
	close_rig(&rig);
}

static void test_order_of_calls(void **state)
{
	uint64_t bitmap[BLOCK_BYTES / GW_PAGE_BYTES / BITMAP_WORD_BITS] = { 0 };
	struct rig rig;

	open_rig(&rig, GW_KVM_LOG_BITMAP);
	attach(&rig);
	assert_int_equal(gw_kvm_log_sync(rig.log, 0, bitmap, NULL), -EINVAL);
	assert_int_equal(gw_kvm_log_ring_full(rig.log, NULL), -EINVAL);
	assert_int_equal(gw_kvm_log_start(rig.log, NULL), 0);
	assert_int_equal(gw_kvm_log_start(rig.log, NULL), -EALREADY);
	assert_int_equal(gw_kvm_log_sync(rig.log, NR_BLOCKS, bitmap, NULL), -EINVAL);
	gw_kvm_log_stop(rig.log);
	gw_kvm_log_stop(rig.log);
	close_rig(&rig);
}

static void test_new(void **state)
{
	struct gw_kvm_log *log;
	struct rig rig;

	open_vm(&rig);
	assert_int_equal(gw_kvm_log_new(&log, rig.vm, 3, 0, NULL), -EINVAL);
	assert_null(log);
	assert_int_equal(gw_kvm_log_new(&log, rig.kvm, GW_KVM_LOG_AUTO, 0, NULL), -ENOTTY);
	assert_int_equal(gw_kvm_log_new(&log, -1, GW_KVM_LOG_AUTO, 0, NULL), -ENOTTY);
	assert_int_equal(gw_kvm_log_new(&log, rig.vm, GW_KVM_LOG_AUTO, 0, NULL), 0);
	assert_int_equal(gw_kvm_log_mode(log), GW_KVM_LOG_BITMAP);
	gw_kvm_log_free(log);
	gw_kvm_log_free(NULL);
	close(rig.vm);
	close(rig.kvm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_bitmap),
		cmocka_unit_test(test_attach_looks_at_what_it_gets),
		cmocka_unit_test(test_slot_that_kvm_does_not_know),
		cmocka_unit_test(test_order_of_calls),
		cmocka_unit_test(test_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
