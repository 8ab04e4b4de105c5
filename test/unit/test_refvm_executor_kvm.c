/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The executor with KVM, with its bare guest: it runs, stands still, and goes on in another VM from its state; bytes
 * that are no state are refused; a guest that has failed says so. Skipped where there is no KVM to be used.
 */
#include "ref/base/blob.h"
#include "ref/base/vm_thread.h"
#include "ref/guest/bare_guest.h"
#include "ref/vm/executor.h"

#include <errno.h>
#include <godwit/report.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NR_VCPUS       2
#define STATE_BYTES    (4u << 20)
#define PATIENCE_MS    60000
#define NR_CORRUPTIONS 200
#define HEAD_BYTES     28 /* magic, version, kind, vCPUs, devices, memory */
#define CLOCK_TSC_AT   28 /* after realtime, kvmclock, kHz, vCPUs; of each vCPU a TSC and a deadline */

struct vm {
	struct ref_vm_options options;
	struct guest_memory memory;
	void *ctx;
};

static const struct executor_ops *const kvm = &executor_kvm;

static void options_for(struct ref_vm_options *options)
{
	ref_vm_options_init(options);
	options->memory_bytes = REF_VM_MIN_MEMORY_BYTES;
	options->nr_vcpus = NR_VCPUS;
	options->fill = REF_VM_FILL_NONE;
	options->dirty_bytes_per_s = 1 << 20;
}

static int try_open(struct vm *vm, struct gw_error *e)
{
	struct executor_config config = { .options = &vm->options, .memory = &vm->memory };
	int ret;

	assert_int_equal(guest_memory_open(&vm->memory, vm->options.memory_bytes, e), 0);
	ret = kvm->open(&vm->ctx, &config, e);
	if (ret)
		guest_memory_close(&vm->memory);
	return ret;
}

static void open_vm(struct vm *vm)
{
	struct gw_error e = GW_ERROR_NONE, why = GW_ERROR_NONE;
	int usable = executor_kvm_usable(&why);

	if (usable && usable != -EAGAIN) {
		print_message("SKIP: %s\n", why.what);
		skip();
	}
	*vm = (struct vm){ 0 };
	options_for(&vm->options);
	if (try_open(vm, &e))
		fail_msg("%s: %s", e.where, e.what);
}

static void close_vm(struct vm *vm)
{
	kvm->close(vm->ctx);
	guest_memory_close(&vm->memory);
}

static void do_or_fail(int (*call)(void *, struct gw_error *), struct vm *vm)
{
	struct gw_error e = GW_ERROR_NONE;

	if (call(vm->ctx, &e))
		fail_msg("%s: %s", e.where, e.what);
}

static struct guest_counters counters_of(struct vm *vm)
{
	struct guest_counters counters;

	kvm->counters(vm->ctx, &counters);
	if (counters.errors)
		fail_msg("the guest: %s", counters.first_error);
	return counters;
}

static void await_work(struct vm *vm, uint64_t nr_pages)
{
	uint64_t before = counters_of(vm).pages_written;

	for (int ms = 0; counters_of(vm).pages_written < before + nr_pages; ms++) {
		assert_true(ms < PATIENCE_MS);
		poll(NULL, 0, 1);
	}
}

static void boot(struct vm *vm)
{
	do_or_fail(kvm->boot, vm);
	do_or_fail(kvm->vm.resume, vm);
	await_work(vm, 10);
}

static size_t save(struct vm *vm, uint8_t *state)
{
	struct gw_error e = GW_ERROR_NONE;
	ssize_t n = kvm->vm.state_save(vm->ctx, state, STATE_BYTES, &e);

	if (n < 0)
		fail_msg("%s: %s", e.where, e.what);
	assert_in_range(n, 1, STATE_BYTES);
	return (size_t)n;
}

static void test_usable(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	int ret = executor_kvm_usable(&e);

	if (ret == -EAGAIN)
		assert_non_null(strstr(e.what, "only emulates: "));
	else if (ret)
		assert_true(e.what[0]);
	if (ret)
		print_message("%s\n", e.what);
}

static void test_runs_and_stands(void **state)
{
	struct guest_counters counters;
	struct vm vm;

	open_vm(&vm);
	assert_int_equal(counters_of(&vm).running, 0);
	boot(&vm);
	counters = counters_of(&vm);
	assert_int_equal(counters.nr_vcpus, NR_VCPUS);
	assert_int_equal(counters.running, 1);
	kvm->check(vm.ctx);
	await_work(&vm, 10);
	do_or_fail(kvm->vm.resume, &vm); /* it runs already */
	do_or_fail(kvm->vm.pause, &vm);
	do_or_fail(kvm->vm.pause, &vm);
	counters = counters_of(&vm);
	assert_int_equal(counters.running, 0);
	poll(NULL, 0, 5);
	assert_int_equal(counters_of(&vm).pages_written, counters.pages_written);
	kvm->check(vm.ctx);
	assert_int_equal(counters_of(&vm).running, 0);
	do_or_fail(kvm->vm.resume, &vm);
	await_work(&vm, 10);
	close_vm(&vm);
}

/* Back and forth, each time into a VM of its own: what is saved there is what came. */
static void test_moves(void **state)
{
	uint8_t *went = malloc(STATE_BYTES), *came = malloc(STATE_BYTES);
	struct gw_error e = GW_ERROR_NONE;
	struct vm vms[2], *here = &vms[0], *there = &vms[1];
	uint64_t written;
	size_t size;

	open_vm(here);
	boot(here);
	for (int moves = 0; moves < 4; moves++) {
		struct vm *left = here;

		open_vm(there);
		do_or_fail(kvm->vm.pause, here);
		written = counters_of(here).pages_written;
		size = save(here, went);
		assert_int_equal(save(here, came), size);
		assert_memory_equal(went, came, size);
		memcpy(there->memory.hva, here->memory.hva, here->memory.size_bytes);
		if (kvm->vm.state_load(there->ctx, went, size, &e))
			fail_msg("%s: %s", e.where, e.what);
		poll(NULL, 0, 20); /* its timers go on */
		assert_int_equal(save(there, came), size);
		assert_memory_equal(went, came, size);
		close_vm(here);
		here = there;
		there = left;
		do_or_fail(kvm->vm.resume, here);
		assert_true(counters_of(here).pages_written >= written);
		await_work(here, 10);
		kvm->check(here->ctx);
		counters_of(here);
	}
	close_vm(here);
	free(went);
	free(came);
}

/* It was saved, and runs on where it was: its clock went on, its interrupts go where they went. */
static void test_rollback(void **state)
{
	uint8_t *first = malloc(STATE_BYTES), *second = malloc(STATE_BYTES);
	uint64_t timers;
	struct vm vm;
	size_t size;

	open_vm(&vm);
	boot(&vm);
	for (int i = 0; i < 3; i++) {
		do_or_fail(kvm->vm.pause, &vm);
		size = save(&vm, first);
		timers = counters_of(&vm).timer_interrupts;
		do_or_fail(kvm->vm.resume, &vm);
		await_work(&vm, 10);
		for (int ms = 0; counters_of(&vm).timer_interrupts == timers; ms++) {
			assert_true(ms < PATIENCE_MS);
			poll(NULL, 0, 1);
		}
		do_or_fail(kvm->vm.pause, &vm);
		/* It is asked anew after it has run. */
		if (save(&vm, second) == size)
			assert_memory_not_equal(first, second, size);
		do_or_fail(kvm->vm.resume, &vm);
	}
	close_vm(&vm);
	free(first);
	free(second);
}

/* Whatever comes, it is -errno with a sentence, or a state; all that is cut short is refused. */
static void test_hostile_states(void **state)
{
	uint8_t *went = malloc(STATE_BYTES), *bad = malloc(STATE_BYTES);
	struct gw_error e;
	uint32_t seed = 1;
	struct vm vm;
	size_t size;

	open_vm(&vm);
	boot(&vm);
	do_or_fail(kvm->vm.pause, &vm);
	size = save(&vm, went);
	close_vm(&vm);
	open_vm(&vm); /* KVM takes a CPUID only before the first run */
	for (size_t at = 0; at < size; at += at < 64 ? 1 : 997) {
		e = (struct gw_error)GW_ERROR_NONE;
		assert_int_equal(kvm->vm.state_load(vm.ctx, went, at, &e), -EBADMSG);
		assert_true(e.what[0]);
	}
	/* Of another guest, of another VM; with more at its end than belongs to it. Nothing of it has spoilt this one.
	 */
	memcpy(bad, went, size);
	bad[size] = 0;
	assert_int_equal(kvm->vm.state_load(vm.ctx, bad, size + 1, NULL), -EBADMSG);
	for (size_t at = 0; at < HEAD_BYTES; at += 4) {
		bad[at] ^= 1;
		assert_int_equal(kvm->vm.state_load(vm.ctx, bad, size, NULL), -EBADMSG);
		bad[at] ^= 1;
	}
	e = (struct gw_error)GW_ERROR_NONE;
	if (kvm->vm.state_load(vm.ctx, bad, size, &e))
		fail_msg("%s: %s", e.where, e.what);
	for (int i = 0; i < NR_CORRUPTIONS; i++) {
		size_t at = (seed = seed * 1664525 + 1013904223) % (i % 2 ? size : 200);
		int ret;

		memcpy(bad, went, size);
		bad[at] ^= (uint8_t)(1u << seed % 8);
		e = (struct gw_error)GW_ERROR_NONE;
		ret = kvm->vm.state_load(vm.ctx, bad, size, &e);
		assert_true(ret <= 0);
		assert_int_equal(ret != 0, e.what[0] != 0);
	}
	close_vm(&vm);
	free(went);
	free(bad);
}

/* The next part of a state begins `at` it with its size; where it ends. */
static size_t part_end(const uint8_t *state, size_t at)
{
	struct blob_in in = { .at = state + at, .left_bytes = sizeof(uint32_t) };

	return at + sizeof(uint32_t) + blob_get_u32(&in);
}

/* Of another host, so TSCs have to be set. A KVM that does not do it says so to load: to resume it would be too late.
 */
static void test_clock_of_another_host(void **state)
{
	uint8_t *went = malloc(STATE_BYTES);
	struct gw_error e = GW_ERROR_NONE;
	struct vm here, there;
	size_t size, at;
	uint64_t tsc;

	open_vm(&here);
	open_vm(&there);
	boot(&here);
	do_or_fail(kvm->vm.pause, &here);
	size = save(&here, went);
	at = part_end(went, HEAD_BYTES) + sizeof(uint32_t); /* facts; KVM's part: */
	at = part_end(went, at) + sizeof(uint32_t);         /* chips; clock: */
	at += CLOCK_TSC_AT;
	for (int i = 0; i < NR_VCPUS; i++, at += 2 * sizeof(tsc)) {
		assert_true(at + sizeof(tsc) <= size);
		memcpy(&tsc, went + at, sizeof(tsc));
		tsc += 1ull << 42;
		memcpy(went + at, &tsc, sizeof(tsc));
	}
	memcpy(there.memory.hva, here.memory.hva, here.memory.size_bytes);
	if (kvm->vm.state_load(there.ctx, went, size, &e)) {
		print_message("%s\n", e.what);
		assert_non_null(strstr(e.what, "does not set the TSC"));
	} else {
		do_or_fail(kvm->vm.resume, &there);
	}
	close_vm(&here);
	close_vm(&there);
	free(went);
}

static void test_needs(void **state)
{
	struct gw_blocker blockers[GW_MAX_BLOCKERS];
	struct gw_error e = GW_ERROR_NONE;
	uint8_t needs[GW_MAX_NEEDS_BYTES];
	struct vm vm;
	ssize_t n;

	open_vm(&vm);
	n = kvm->vm.needs(vm.ctx, needs, sizeof(needs), &e);
	assert_in_range(n, 1, sizeof(needs));
	assert_int_equal(kvm->vm.lacks(vm.ctx, needs, (size_t)n, blockers, GW_MAX_BLOCKERS), 0);
	assert_true(kvm->vm.lacks(vm.ctx, "threads", sizeof("threads"), blockers, GW_MAX_BLOCKERS) > 0);
	assert_true(blockers[0].what[0]);
	assert_true(kvm->vm.lacks(vm.ctx, "", 0, blockers, GW_MAX_BLOCKERS) > 0);
	close_vm(&vm);
}

static void test_refusals(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct vm vm;

	open_vm(&vm);
	assert_int_equal(kvm->vm.throttle(vm.ctx, 100, &e), -EINVAL);
	assert_int_equal(kvm->vm.throttle(vm.ctx, 99, &e), 0);
	assert_int_equal(counters_of(&vm).throttle_percent, 99);
	assert_int_equal(kvm->vm.throttle(vm.ctx, 0, &e), 0);
	assert_int_equal(kvm->fault(vm.ctx, "vcpu", NULL), -ENOENT); /* no guest yet */
	boot(&vm);
	assert_int_equal(kvm->fault(vm.ctx, "no such", NULL), -EINVAL);
	assert_int_equal(kvm->failure(vm.ctx, NULL), 0);
	close_vm(&vm);
	vm.options.nr_vcpus = BARE_MAX_VCPUS + 1;
	e = (struct gw_error)GW_ERROR_NONE;
	assert_int_equal(try_open(&vm, &e), -EINVAL);
	assert_non_null(strstr(e.what, "4 at most, not 5"));
}

/* The sentence is the same from all who may be asked, and nothing runs after it. */
static void test_guest_ends(void **state)
{
	static const char *const kinds[] = { "vcpu", "triple-fault", "internal-error" };
	static const char *const says[] = { "KVM_RUN failed", "triple fault", "internal error" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct gw_error e = GW_ERROR_NONE, paused = GW_ERROR_NONE, resumed = GW_ERROR_NONE;
		struct vm vm;
		int ret;

		open_vm(&vm);
		boot(&vm);
		assert_int_equal(kvm->vm.dirty_start(vm.ctx, NULL), 0);
		if (kvm->fault(vm.ctx, kinds[i], &e))
			fail_msg("%s", e.what);
		for (int ms = 0; !kvm->failure(vm.ctx, &e); ms++) {
			assert_true(ms < PATIENCE_MS);
			poll(NULL, 0, 1);
		}
		print_message("%s: %s\n", kinds[i], e.what);
		assert_non_null(strstr(e.what, says[i]));
		ret = kvm->vm.pause(vm.ctx, &paused);
		assert_int_equal(ret, e.code);
		assert_string_equal(paused.what, e.what);
		assert_int_equal(kvm->vm.resume(vm.ctx, &resumed), e.code);
		kvm->vm.dirty_stop(vm.ctx);
		close_vm(&vm);
	}
}

/* What this process has written to the guest's memory is written, too. */
static void test_order_is_dirty(void **state)
{
	const uint64_t page = BARE_MAILBOX_GPA / GW_PAGE_BYTES;
	uint64_t bitmap[REF_VM_MIN_MEMORY_BYTES / GW_PAGE_BYTES / 64];
	struct vm vm;

	open_vm(&vm);
	boot(&vm);
	do_or_fail(kvm->vm.pause, &vm);
	do_or_fail(kvm->vm.dirty_start, &vm);
	for (int i = 0; i < 2; i++) {
		memset(bitmap, 0, sizeof(bitmap));
		assert_int_equal(kvm->vm.dirty_sync(vm.ctx, 0, bitmap, NULL), 0);
	}
	assert_int_equal(bitmap[page / 64] >> page % 64 & 1, 0);
	assert_int_equal(kvm->fault(vm.ctx, "triple-fault", NULL), 0);
	assert_int_equal(kvm->vm.dirty_sync(vm.ctx, 0, bitmap, NULL), 0);
	assert_int_equal(bitmap[page / 64] >> page % 64 & 1, 1);
	kvm->vm.dirty_stop(vm.ctx);
	close_vm(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usable),         cmocka_unit_test(test_runs_and_stands),
		cmocka_unit_test(test_moves),          cmocka_unit_test(test_rollback),
		cmocka_unit_test(test_hostile_states), cmocka_unit_test(test_clock_of_another_host),
		cmocka_unit_test(test_needs),          cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_guest_ends),     cmocka_unit_test(test_order_is_dirty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
