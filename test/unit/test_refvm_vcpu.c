/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * vCPUs on KVM: their accesses reach the buses, a pause leaves none of them half done, and whatever is paused and
 * resumed loses nothing. How they end is test_refvm_vcpu_end.c's.
 */
#include "vcpu_run_rig.h"

#define NR_PAUSES 1000

static void assert_access(const struct rig *rig, uint32_t index, struct access expected)
{
	struct access access = rig->device.accesses[index];

	assert_int_equal(access.at, expected.at);
	assert_int_equal(access.size_bytes, expected.size_bytes);
	assert_int_equal(access.is_write, expected.is_write);
	assert_int_equal(access.value, expected.value);
}

/* Ends in a loop that does nothing. */
static void run_until(struct rig *rig, const void *code, size_t size_bytes, uint32_t nr_accesses)
{
	load_code(rig, code, size_bytes);
	resume(rig);
	AWAIT(rig->device.nr == nr_accesses);
	pause_guest(rig);
	assert_int_equal(rig->device.nr, nr_accesses);
}

static void test_ports(void **state)
{
	static const uint8_t code[] = {
		0x66, 0xba, 0x00, 0x02,       /* mov dx, 0x200 */
		0xb8, 0x44, 0x33, 0x22, 0x11, /* mov eax, 0x11223344 */
		0xee, 0x66, 0xef, 0xef,       /* out dx, al; ax; eax */
		0xed,                         /* in eax, dx: 1 */
		0x83, 0xc0, 0x10,             /* add eax, 0x10 */
		0xef,                         /* out dx, eax */
		0xeb, 0xfe,                   /* jmp to itself */
	};
	struct rig rig;

	open_rig(&rig, 1);
	run_until(&rig, code, sizeof(code), 5);
	assert_access(&rig, 0, (struct access){ 0x100, 0x44, 1, 1 });
	assert_access(&rig, 1, (struct access){ 0x100, 0x3344, 2, 1 });
	assert_access(&rig, 2, (struct access){ 0x100, 0x11223344, 4, 1 });
	assert_access(&rig, 3, (struct access){ 0x100, 1, 4, 0 });
	assert_access(&rig, 4, (struct access){ 0x100, 0x11, 4, 1 });
	close_rig(&rig);
}

/* KVM hands a whole string over at once: each of its values is one access. */
static void test_string_ports(void **state)
{
	static const uint8_t code[] = {
		0x66, 0xba, 0x00, 0x02,       /* mov dx, 0x200 */
		0xfc,                         /* cld */
		0xb9, 0x05, 0x00, 0x00, 0x00, /* mov ecx, 5 */
		0xbf, 0x00, 0x80, 0x00, 0x00, /* mov edi, DATA_GPA */
		0xf3, 0x66, 0x6d,             /* rep insw: 1, 2, 3, 4, 5 */
		0xb9, 0x05, 0x00, 0x00, 0x00, /* mov ecx, 5 */
		0xbe, 0x00, 0x80, 0x00, 0x00, /* mov esi, DATA_GPA */
		0xf3, 0x66, 0x6f,             /* rep outsw */
		0xeb, 0xfe,                   /* jmp to itself */
	};
	struct rig rig;

	open_rig(&rig, 1);
	run_until(&rig, code, sizeof(code), 10);
	for (uint32_t i = 0; i < 5; i++) {
		assert_access(&rig, i, (struct access){ 0x100, i + 1, 2, 0 });
		assert_access(&rig, 5 + i, (struct access){ 0x100, i + 1, 2, 1 });
	}
	close_rig(&rig);
}

static void test_memory(void **state)
{
	static const uint8_t code[] = {
		0xb8, 0x44, 0x33, 0x22, 0x11,       /* mov eax, 0x11223344 */
		0xa2, 0x04, 0x00, 0x00, 0xd0,       /* mov [DEVICE_GPA + 4], al */
		0x66, 0xa3, 0x06, 0x00, 0x00, 0xd0, /* mov [DEVICE_GPA + 6], ax */
		0xa3, 0x08, 0x00, 0x00, 0xd0,       /* mov [DEVICE_GPA + 8], eax */
		0xa1, 0x0c, 0x00, 0x00, 0xd0,       /* mov eax, [DEVICE_GPA + 12]: 1 */
		0xa3, 0x10, 0x00, 0x00, 0xd0,       /* mov [DEVICE_GPA + 16], eax */
		0xeb, 0xfe,                         /* jmp to itself */
	};
	struct rig rig;

	open_rig(&rig, 1);
	run_until(&rig, code, sizeof(code), 5);
	assert_access(&rig, 0, (struct access){ 4, 0x44, 1, 1 });
	assert_access(&rig, 1, (struct access){ 6, 0x3344, 2, 1 });
	assert_access(&rig, 2, (struct access){ 8, 0x11223344, 4, 1 });
	assert_access(&rig, 3, (struct access){ 12, 1, 4, 0 });
	assert_access(&rig, 4, (struct access){ 16, 1, 4, 1 });
	close_rig(&rig);
}

static void *pause_thread(void *arg)
{
	pause_guest(arg);
	return NULL;
}

/* The first read of the code is under way when the pause is asked for. */
static void pause_in_read(struct rig *rig, const void *code, size_t size_bytes)
{
	pthread_t thread;

	open_rig(rig, 1);
	load_code(rig, code, size_bytes);
	rig->device.hold = 1;
	resume(rig);
	AWAIT(rig->device.held);
	assert_int_equal(pthread_create(&thread, NULL, pause_thread, rig), 0);
	AWAIT(!vcpus_running(rig->vcpus));
	rig->device.hold = 0;
	pthread_join(thread, NULL);
}

static void test_pause_in_port_read(void **state)
{
	static const uint8_t code[] = {
		0x66, 0xba, 0x00, 0x02, /* mov dx, 0x200 */
		0xed,                   /* in eax, dx: 1 */
		0xef,                   /* out dx, eax */
		0xeb, 0xfe,             /* jmp to itself */
	};
	struct rig rig;

	pause_in_read(&rig, code, sizeof(code));
	assert_int_equal(regs_of(&rig, 0).rip, CODE_GPA + 5);
	assert_int_equal(regs_of(&rig, 0).rax, 1);
	assert_int_equal(rig.device.nr, 1);
	resume(&rig);
	AWAIT(rig.device.nr == 2);
	pause_guest(&rig);
	assert_access(&rig, 1, (struct access){ 0x100, 1, 4, 1 });
	assert_int_equal(rig.device.nr_reads, 1);
	close_rig(&rig);
}

/* It runs over a page, so KVM hands it out in two pieces: the first is under way. */
static void test_pause_in_two_reads(void **state)
{
	static const uint8_t code[] = {
		0xa1, 0xfe, 0x0f, 0x00, 0xd0, /* mov eax, [DEVICE_GPA + 0xffe]: 0x00020001 */
		0x66, 0xba, 0x00, 0x02,       /* mov dx, 0x200 */
		0xef,                         /* out dx, eax */
		0xeb, 0xfe,                   /* jmp to itself */
	};
	struct rig rig;

	pause_in_read(&rig, code, sizeof(code));
	assert_int_equal(regs_of(&rig, 0).rip, CODE_GPA + 5);
	assert_int_equal(regs_of(&rig, 0).rax, 0x20001);
	assert_access(&rig, 0, (struct access){ 0xffe, 1, 2, 0 });
	assert_access(&rig, 1, (struct access){ 0x1000, 2, 2, 0 });
	resume(&rig);
	AWAIT(rig.device.nr == 3);
	pause_guest(&rig);
	assert_access(&rig, 2, (struct access){ 0x100, 0x20001, 4, 1 });
	close_rig(&rig);
}

/* What each vCPU has told its port, which must be the numbers from 1 on. */
struct counting {
	_Atomic uint32_t told[MAX_VCPUS];
	_Atomic uint32_t nr_wrong;
	_Atomic uint64_t cpu_ns, wall_ns; /* of the first vCPU's thread, and when */
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void count_write(void *ctx, uint64_t offset, const void *data, uint32_t size_bytes)
{
	struct counting *counting = ctx;
	uint32_t value = 0, last = counting->told[offset / 4];

	memcpy(&value, data, size_bytes);
	counting->nr_wrong += value != last + 1;
	if (!offset) {
		counting->cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		counting->wall_ns = clock_ns(CLOCK_MONOTONIC);
	}
	counting->told[offset / 4] = value;
}

static const struct bus_ops count_ops = { device_read, count_write };

static const uint8_t counting_code[] = {
	0xc1, 0xe2, 0x02,             /* shl edx, 2 */
	0x66, 0x81, 0xc2, 0x00, 0x30, /* add dx, 0x3000: four ports for each vCPU */
	0x40,                         /* inc eax */
	0xef,                         /* out dx, eax */
	0xeb, 0xfc,                   /* jmp to inc */
};

static void open_counting(struct rig *rig, struct counting *counting, uint32_t nr_vcpus)
{
	memset(counting, 0, sizeof(*counting));
	open_rig(rig, nr_vcpus);
	assert_int_equal(bus_add(&rig->ports, 0x3000, MAX_VCPUS * 4, &count_ops, counting), 0);
	load_code(rig, counting_code, sizeof(counting_code));
}

static void test_many_pauses(void **state)
{
	uint32_t paused[MAX_VCPUS] = { 0 };
	struct counting counting;
	struct rig rig;

	open_counting(&rig, &counting, MAX_VCPUS);
	for (int i = 0; i < NR_PAUSES; i++) {
		resume(&rig);
		if (i % 10 == 0)
			AWAIT(counting.told[i / 10 % MAX_VCPUS] > paused[i / 10 % MAX_VCPUS]);
		pause_guest(&rig);
		for (uint32_t v = 0; v < MAX_VCPUS; v++)
			paused[v] = counting.told[v];
		if (i % 100 == 0)
			wait_ms(2);
		for (uint32_t v = 0; v < MAX_VCPUS; v++) {
			assert_int_equal(counting.told[v], paused[v]);
			/* inc is done or it is not; out is done if it was handed out. */
			assert_in_range(regs_of(&rig, v).rax, paused[v], paused[v] + 1);
		}
	}
	assert_int_equal(counting.nr_wrong, 0);
	close_rig(&rig);
}

/* Its share of time, as its thread tells: a machine that is busy makes it smaller, and never larger. */
static double share(const struct counting *counting)
{
	uint64_t cpu_ns = counting->cpu_ns, wall_ns = counting->wall_ns;

	AWAIT(counting->wall_ns > wall_ns + 300000000);
	return (double)(counting->cpu_ns - cpu_ns) / (double)(counting->wall_ns - wall_ns);
}

static void test_throttle(void **state)
{
	struct counting counting;
	struct rig rig;

	open_counting(&rig, &counting, 1);
	resume(&rig);
	AWAIT(counting.told[0]);
	vcpus_throttle(rig.vcpus, 90);
	wait_ms(20);
	assert_true(share(&counting) < 0.2);
	vcpus_throttle(rig.vcpus, 0);
	wait_ms(20);
	share(&counting); /* it goes on */
	vcpus_throttle(rig.vcpus, 1000);
	wait_ms(20);
	assert_true(share(&counting) < 0.1);
	pause_guest(&rig);
	close_rig(&rig);
}

/* A vCPU that only stands for its share does not keep a pause waiting, and one that never leaves KVM_RUN keeps it. */
static void test_throttle_without_exits(void **state)
{
	static const uint8_t code[] = { 0xeb, 0xfe }; /* jmp to itself */
	uint64_t begin_ns, cpu_ns, longest_ns = 0;
	struct rig rig;

	open_rig(&rig, 2);
	load_code(&rig, code, sizeof(code));
	vcpus_throttle(rig.vcpus, 99);
	for (int i = 0; i < 20; i++) {
		resume(&rig);
		wait_ms(i);
		begin_ns = clock_ns(CLOCK_MONOTONIC);
		pause_guest(&rig);
		if (clock_ns(CLOCK_MONOTONIC) - begin_ns > longest_ns)
			longest_ns = clock_ns(CLOCK_MONOTONIC) - begin_ns;
	}
	print_message("the longest of 20 pauses took %.3f ms\n", (double)longest_ns / 1e6);
	vcpus_throttle(rig.vcpus, 90);
	resume(&rig);
	begin_ns = clock_ns(CLOCK_MONOTONIC);
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	wait_ms(300);
	cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns;
	assert_true(cpu_ns < (clock_ns(CLOCK_MONOTONIC) - begin_ns) * 2 / 5); /* two of them, a tenth each */
	close_rig(&rig);
}

/* It has run for so long at once that it stands for a second; five of them would be five. */
static void test_throttle_is_taken_back(void **state)
{
	static const uint8_t code[] = {
		0x66, 0xba, 0x00, 0x02, /* mov dx, 0x200 */
		0xed,                   /* in eax, dx */
		0xeb, 0xfd,             /* jmp to it */
	};
	uint64_t begin_ns, waited_ns = 0;
	uint32_t nr_reads;
	struct rig rig;

	open_rig(&rig, 1);
	load_code(&rig, code, sizeof(code));
	resume(&rig);
	for (int i = 0; i < 5; i++) {
		vcpus_throttle(rig.vcpus, 99);
		rig.device.held = 0;
		rig.device.hold = 1;
		AWAIT(rig.device.held);
		wait_ms(30);
		rig.device.hold = 0;
		wait_ms(30);
		nr_reads = rig.device.nr_reads;
		begin_ns = clock_ns(CLOCK_MONOTONIC);
		vcpus_throttle(rig.vcpus, 0);
		AWAIT(rig.device.nr_reads > nr_reads + 1);
		waited_ns += clock_ns(CLOCK_MONOTONIC) - begin_ns;
	}
	assert_true(waited_ns < 2500000000);
	pause_guest(&rig);
	close_rig(&rig);
}

/* The second vCPU waits for the first to start it, which it never does: it can be paused there. */
static void test_waits_to_be_started(void **state)
{
	struct kvm_mp_state waits = { .mp_state = KVM_MP_STATE_UNINITIALIZED };
	struct counting counting;
	struct rig rig;

	open_counting(&rig, &counting, 2);
	assert_int_equal(ioctl(vcpus_fds(rig.vcpus)[1], KVM_SET_MP_STATE, &waits), 0);
	for (int i = 0; i < 10; i++) {
		uint32_t told = counting.told[0];

		resume(&rig);
		AWAIT(counting.told[0] > told);
		pause_guest(&rig);
	}
	assert_int_equal(counting.told[1], 0);
	assert_int_equal(ioctl(vcpus_fds(rig.vcpus)[1], KVM_GET_MP_STATE, &waits), 0);
	assert_int_equal(waits.mp_state, KVM_MP_STATE_UNINITIALIZED);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_string_ports),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_pause_in_port_read),
		cmocka_unit_test(test_pause_in_two_reads),
		cmocka_unit_test(test_many_pauses),
		cmocka_unit_test(test_throttle),
		cmocka_unit_test(test_throttle_without_exits),
		cmocka_unit_test(test_throttle_is_taken_back),
		cmocka_unit_test(test_waits_to_be_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
