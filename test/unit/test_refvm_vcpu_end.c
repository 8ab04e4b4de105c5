/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How vCPUs on KVM end: a guest that falls over, one that KVM cannot go on with, memory that is gone, a VM that is
 * closed. The reason is told in a sentence, once, and the other vCPUs stand still. And what the VM below them refuses.
 */
#include "vcpu_run_rig.h"

#include <signal.h>
#include <stdbool.h>

/* The first vCPU goes on to what is after its loop, once [DATA_GPA] is 1; the others count at DATA_GPA + 8. */
#define WAIT_CODE                                                                                  \
	0x85, 0xd2,                                       /* test edx, edx */                      \
		0x75, 0x0b,                               /* jnz to the counting */                \
		0x83, 0x3d, 0x00, 0x80, 0x00, 0x00, 0x00, /* cmp dword [DATA_GPA], 0 */            \
		0x74, 0xf7,                               /* jz to cmp */                          \
		0xeb, 0x08,                               /* jmp over the counting */              \
		0xff, 0x05, 0x08, 0x80, 0x00, 0x00,       /* counting: inc dword [DATA_GPA + 8] */ \
		0xeb, 0xf8                                /* jmp to inc */

static _Atomic uint32_t *word_at(const struct rig *rig, uint64_t gpa)
{
	return (_Atomic uint32_t *)(rig->memory.hva + gpa);
}

/* The second vCPU runs, the first is told to do what its code says; until the guest has ended. */
static void run_to_the_end(struct rig *rig, const void *code, size_t size_bytes, struct gw_error *e)
{
	open_rig(rig, 2);
	load_code(rig, code, size_bytes);
	resume(rig);
	AWAIT(*word_at(rig, DATA_GPA + 8));
	assert_int_equal(vcpus_failure(rig->vcpus, e), 0);
	*word_at(rig, DATA_GPA) = 1;
	AWAIT(vcpus_failure(rig->vcpus, e));
}

/* It has ended: nobody runs, nobody will, and all calls say why. */
static void assert_ended(struct rig *rig, const struct gw_error *failure)
{
	struct gw_error e = GW_ERROR_NONE, again = GW_ERROR_NONE;
	uint32_t counted;

	assert_false(vcpus_running(rig->vcpus));
	assert_int_equal(vcpus_pause(rig->vcpus, &e), failure->code);
	assert_string_equal(e.what, failure->what);
	counted = *word_at(rig, DATA_GPA + 8);
	assert_int_equal(vcpus_resume(rig->vcpus, &again), failure->code);
	assert_string_equal(again.what, failure->what);
	assert_false(vcpus_running(rig->vcpus));
	wait_ms(5);
	assert_int_equal(*word_at(rig, DATA_GPA + 8), counted);
}

static void assert_says(const struct gw_error *e, int code, const char *text)
{
	print_message("%s\n", e->what);
	assert_int_equal(e->code, code);
	if (!strstr(e->what, text))
		fail_msg("\"%s\" is not in \"%s\"", text, e->what);
}

/* A segment that is none, without a handler for that. */
static void test_triple_fault(void **state)
{
	static const uint8_t code[] = {
		WAIT_CODE, 0x0f, 0x01, 0x1d, 0x10, 0x80, 0x00, 0x00, /* lidt [DATA_GPA + 16]: none */
		0x66,      0xb8, 0x18, 0x00,                         /* mov ax, 0x18 */
		0x8e,      0xd8,                                     /* mov ds, ax */
	};
	struct gw_error e = GW_ERROR_NONE;
	struct rig rig;

	run_to_the_end(&rig, code, sizeof(code), &e);
	assert_says(&e, -EIO, "the guest has shut down: triple fault on vCPU 0 at rip 0x");
	assert_ended(&rig, &e);
	close_rig(&rig);
}

/* Code in a device's memory is what no KVM executes. */
static void test_internal_error(void **state)
{
	static const uint8_t code[] = {
		WAIT_CODE, 0xb8, 0x00, 0x00, 0x00, 0xd0, /* mov eax, DEVICE_GPA */
		0xff,      0xe0,                         /* jmp eax */
	};
	struct gw_error e = GW_ERROR_NONE;
	struct rig rig;

	run_to_the_end(&rig, code, sizeof(code), &e);
	assert_says(&e, -EIO, "KVM's internal error 1: it cannot emulate the instruction");
	assert_says(&e, -EIO, "on vCPU 0 at rip 0xd0000000");
	assert_ended(&rig, &e);
	close_rig(&rig);
}

/* A slot whose memory this process does not have. A KVM that emulates takes it for a device's, where nobody answers. */
static void test_memory_is_gone(void **state)
{
	static const uint8_t code[] = {
		WAIT_CODE, 0xa3, 0x00, 0x00, 0x00, 0xe0, /* mov [0xe0000000], eax */
		0xff,      0x05, 0x0c, 0x80, 0x00, 0x00, /* inc dword [DATA_GPA + 12] */
		0xeb,      0xfe,                         /* jmp to itself */
	};
	void *hva = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_error e = GW_ERROR_NONE;
	struct rig rig;
	uint32_t slot;
	bool passed;

	assert_ptr_not_equal(hva, MAP_FAILED);
	open_rig(&rig, 2);
	assert_int_equal(kvm_vm_map(&rig.vm, 0xe0000000, 4096, hva, &slot, &e), 0);
	load_code(&rig, code, sizeof(code));
	resume(&rig);
	*word_at(&rig, DATA_GPA) = 1;
	AWAIT(vcpus_failure(rig.vcpus, &e) || *word_at(&rig, DATA_GPA + 12));
	passed = !e.code;
	if (!passed) {
		assert_says(&e, -EFAULT, "KVM_RUN failed on vCPU 0 at rip 0x");
		assert_ended(&rig, &e);
	}
	close_rig(&rig);
	munmap(hva, 4096);
	if (passed) {
		print_message("SKIP: this KVM emulates: memory that is gone does not end KVM_RUN\n");
		skip();
	}
}

static void test_break(void **state)
{
	static const uint8_t code[] = { WAIT_CODE, 0xeb, 0xfe };
	struct gw_error e = GW_ERROR_NONE;
	struct rig rig;

	open_rig(&rig, 4);
	load_code(&rig, code, sizeof(code));
	resume(&rig);
	AWAIT(*word_at(&rig, DATA_GPA + 8));
	vcpus_break(rig.vcpus);
	AWAIT(vcpus_failure(rig.vcpus, &e));
	assert_says(&e, -EFAULT, "KVM_RUN failed on vCPU 0 at rip 0x");
	assert_ended(&rig, &e);
	close_rig(&rig);
}

/* It breaks when it runs again. */
static void test_break_while_paused(void **state)
{
	static const uint8_t code[] = { WAIT_CODE, 0xeb, 0xfe };
	struct gw_error e = GW_ERROR_NONE;
	struct rig rig;

	open_rig(&rig, 2);
	load_code(&rig, code, sizeof(code));
	vcpus_break(rig.vcpus);
	assert_int_equal(vcpus_failure(rig.vcpus, &e), 0);
	resume(&rig);
	AWAIT(vcpus_failure(rig.vcpus, &e));
	assert_ended(&rig, &e);
	close_rig(&rig);
}

/* Never run, running, standing for its share, in the middle of an access. */
static void test_close(void **state)
{
	static const uint8_t code[] = {
		WAIT_CODE, 0x66, 0xba, 0x00, 0x02, /* mov dx, 0x200 */
		0xed,                              /* in eax, dx */
		0xeb,      0xfd,                   /* jmp to in */
	};
	enum { NEVER_RUN, RUNNING, THROTTLED, READING, NR_STATES };
	struct rig rig;

	for (int when = NEVER_RUN; when < NR_STATES; when++) {
		open_rig(&rig, 2);
		load_code(&rig, code, sizeof(code));
		*word_at(&rig, DATA_GPA) = when == READING;
		if (when != NEVER_RUN)
			resume(&rig);
		if (when == THROTTLED)
			vcpus_throttle(rig.vcpus, 99);
		if (when != NEVER_RUN)
			AWAIT(*word_at(&rig, DATA_GPA + 8));
		if (when == READING)
			AWAIT(rig.device.nr_reads);
		close_rig(&rig);
	}
	vcpus_close(NULL);
}

/* The program's own signals, and who handles them, are none of the vCPUs'. */
static void test_signals(void **state)
{
	struct sigaction before, after;
	sigset_t pending;

	assert_int_equal(sigaction(SIGRTMIN, NULL, &before), 0);
	test_close(state);
	assert_int_equal(sigaction(SIGRTMIN, NULL, &after), 0);
	assert_ptr_equal(before.sa_handler, after.sa_handler);
	assert_ptr_equal(after.sa_handler, SIG_DFL);
	assert_int_equal(sigpending(&pending), 0);
	assert_int_equal(sigismember(&pending, SIGRTMIN), 0);
}

static int try_vm(const char *lack, enum ref_vm_log log, struct gw_error *e)
{
	struct ref_vm_options options;
	struct guest_memory memory;
	struct kvm_vm vm;
	int ret;

	ref_vm_options_init(&options);
	options.lack = lack;
	options.log = log;
	assert_int_equal(guest_memory_open(&memory, MEMORY_BYTES, e), 0);
	ret = kvm_vm_open(&vm, &memory, &options, e);
	kvm_vm_close(&vm); /* also of one that is closed */
	guest_memory_close(&memory);
	return ret;
}

static void test_vm_refusals(void **state)
{
	struct gw_error e = GW_ERROR_NONE, none = GW_ERROR_NONE;
	struct rig rig;

	open_rig(&rig, 1); /* or skipped */
	close_rig(&rig);
	assert_int_equal(try_vm("slot", REF_VM_LOG_AUTO, &e), -EINVAL);
	assert_says(&e, -EINVAL, "guest memory at 0x0 could not be mapped: Invalid argument");
	for (int log = REF_VM_LOG_ASYNC; log <= REF_VM_LOG_ALL; log++) {
		e = none;
		assert_int_equal(try_vm(NULL, log, &e), -EINVAL);
		assert_says(&e, -EINVAL, ref_vm_log_names[log]);
	}
	e = none;
	assert_int_equal(try_vm("msr:0x10", REF_VM_LOG_BITMAP, &e), 0);
	if (try_vm(NULL, REF_VM_LOG_RING, &e))
		assert_says(&e, -EOPNOTSUPP, "dirty ring");
}

/* Memory comes and goes; what is taken away has room for another, and KVM's own refusal is told. */
static void test_slots(void **state)
{
	void *hva = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct gw_error e = GW_ERROR_NONE;
	uint32_t first, second, third;
	struct rig rig;

	open_rig(&rig, 1);
	assert_int_equal(kvm_vm_map(&rig.vm, 0xe0000000, 4096, hva, &first, &e), 0);
	assert_int_equal(kvm_vm_map(&rig.vm, 0xe0001000, 4096, hva, &second, &e), 0);
	assert_int_not_equal(first, second);
	kvm_vm_unmap(&rig.vm, first);
	assert_int_equal(kvm_vm_map(&rig.vm, 0xe0000000, 4096, hva, &third, &e), 0);
	assert_int_equal(third, first);
	assert_int_equal(kvm_vm_map(&rig.vm, 0xe0001000, 4096, hva, &first, &e), -EEXIST);
	assert_says(&e, -EEXIST, "guest memory at 0xe0001000 could not be mapped: ");
	close_rig(&rig);
	munmap(hva, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_triple_fault),
		cmocka_unit_test(test_internal_error),
		cmocka_unit_test(test_memory_is_gone),
		cmocka_unit_test(test_break),
		cmocka_unit_test(test_break_while_paused),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_vm_refusals),
		cmocka_unit_test(test_slots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
