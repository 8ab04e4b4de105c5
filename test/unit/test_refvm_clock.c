/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The chips in the kernel and the clock, from one VM of KVM's to another; and a vCPU that goes on there.
 */
#include "vcpu_rig.h"

#include "ref/kvm/chips.h"

#include <sys/mman.h>

#define RAM_BYTES (64u << 10)
#define CODE_GPA  0x1000
#define S_NS      1000000000ull

static void chips_bytes(const struct vcpu_rig *rig, struct bytes *bytes)
{
	struct blob_out out = { .buf = bytes->at, .size_bytes = sizeof(bytes->at) };
	struct chips chips;

	assert_int_equal(chips_read(&chips, rig->vm.vm_fd, NULL), 0);
	chips_encode(&chips, &out);
	bytes->size_bytes = out.used_bytes;
}

static void set_chips(const struct vcpu_rig *rig)
{
	struct chips chips;

	assert_int_equal(chips_read(&chips, rig->vm.vm_fd, NULL), 0);
	chips.irqchips[KVM_IRQCHIP_PIC_MASTER].chip.pic.imr = 0xfb;
	chips.irqchips[KVM_IRQCHIP_PIC_MASTER].chip.pic.irq_base = 0x30;
	chips.irqchips[KVM_IRQCHIP_PIC_SLAVE].chip.pic.irq_base = 0x38;
	chips.irqchips[KVM_IRQCHIP_IOAPIC].chip.ioapic.redirtbl[4].bits = 0x0100000000010031; /* masked */
	chips.irqchips[KVM_IRQCHIP_IOAPIC].chip.ioapic.id = 2;
	chips.pit.channels[0].count = 11932;
	chips.pit.channels[0].mode = 2;
	chips.pit.channels[2].count = 0x1234;
	assert_int_equal(chips_write(&chips, rig->vm.vm_fd, NULL), 0);
}

static void test_chips_move(void **state)
{
	struct bytes there_bytes, here_bytes;
	struct vcpu_rig here, there;
	struct chips chips;
	struct blob_in in;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	set_chips(&there);
	chips_bytes(&there, &there_bytes);
	in = reader(&there_bytes);
	assert_int_equal(chips_decode(&chips, &in), 0);
	assert_true(blob_ended(&in));
	assert_int_equal(chips_write(&chips, here.vm.vm_fd, NULL), 0);
	chips_bytes(&here, &here_bytes);
	assert_int_equal(here_bytes.size_bytes, there_bytes.size_bytes);
	assert_memory_equal(here_bytes.at, there_bytes.at, there_bytes.size_bytes);
	assert_int_equal(chips_read(&chips, here.vm.vm_fd, NULL), 0);
	assert_int_equal(chips.irqchips[KVM_IRQCHIP_IOAPIC].chip.ioapic.redirtbl[4].bits, 0x0100000000010031);
	assert_int_equal(chips.pit.channels[0].count, 11932);
	close_rig(&here);
	close_rig(&there);
}

/* A chip in the place of another is not what was read; an interrupt controller is set by its number. */
static void test_broken_chips(void **state)
{
	struct bytes bytes, broken;
	struct vcpu_rig rig;
	struct chips chips;
	struct blob_in in;

	open_rig(&rig, NULL);
	set_chips(&rig);
	chips_bytes(&rig, &bytes);
	for (size_t cut = 0; cut < bytes.size_bytes; cut++) {
		in = (struct blob_in){ .at = bytes.at, .left_bytes = cut };
		assert_int_equal(chips_decode(&chips, &in), -EBADMSG);
	}
	for (size_t bit = 0; bit < bytes.size_bytes * 8; bit += 7) {
		broken = bytes;
		broken.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		in = reader(&broken);
		if (!chips_decode(&chips, &in))
			chips_write(&chips, rig.vm.vm_fd, NULL);
	}
	broken = bytes;
	broken.at[4] = KVM_IRQCHIP_IOAPIC; /* after the number of words: the first one's chip_id */
	in = reader(&broken);
	assert_int_equal(chips_decode(&chips, &in), -EBADMSG);
	close_rig(&rig);
}

static struct guest_clock clock_of(const struct vcpu_rig *rig)
{
	struct guest_clock clock;
	struct gw_error e = GW_ERROR_NONE;

	assert_fine(guest_clock_read(&clock, rig->vm.vm_fd, rig->fds, NR_VCPUS, &e), &e);
	return clock;
}

static struct guest_clock after_write(const struct vcpu_rig *rig, const struct guest_clock *clock)
{
	struct gw_error e = GW_ERROR_NONE;

	assert_fine(guest_clock_write(clock, rig->vm.vm_fd, rig->fds, NR_VCPUS, &e), &e);
	return clock_of(rig);
}

/* kvm_pvm takes an offset and does nothing with it: a guest there has the host's TSC. */
static int sets_tsc(const struct vcpu_rig *rig)
{
	uint64_t offset = 0;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)&offset,
	};
	uint64_t first;

	assert_int_equal(ioctl(rig->fds[0], KVM_GET_DEVICE_ATTR, &attr), 0);
	first = offset++;
	assert_int_equal(ioctl(rig->fds[0], KVM_SET_DEVICE_ATTR, &attr), 0);
	assert_int_equal(ioctl(rig->fds[0], KVM_GET_DEVICE_ATTR, &attr), 0);
	return offset != first;
}

/* Where the host's TSC is not to be trusted KVM begins anew from the guest's last one whenever a vCPU is touched. */
static int64_t tsc_slack(const struct guest_clock *clock)
{
	char name[32] = "";
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY);

	if (fd >= 0) {
		assert_true(read(fd, name, sizeof(name) - 1) >= 0);
		close(fd);
	}
	return strncmp(name, "tsc", 3) && strncmp(name, "kvm-clock", 9) ? (int64_t)clock->tsc_khz * 1000 : 0;
}

static int same_distance(const struct guest_clock *a, const struct guest_clock *b)
{
	int64_t more = (int64_t)((a->tsc[1] - a->tsc[0]) - (b->tsc[1] - b->tsc[0]));

	return llabs(more) <= tsc_slack(a);
}

static size_t run_bytes(const struct vcpu_rig *rig)
{
	int bytes = ioctl(rig->vm.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	assert_true(bytes > 0);
	return (size_t)bytes;
}

static struct kvm_run *give_code(const struct vcpu_rig *rig, void **ram)
{
	/* inc eax, out 0x80 al, again; 16 bits */
	static const uint8_t code[] = { 0x40, 0xe6, 0x80, 0xeb, 0xfb };
	struct kvm_userspace_memory_region slot = { .memory_size = RAM_BYTES };
	struct kvm_run *run;

	*ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(*ram, MAP_FAILED);
	memcpy((uint8_t *)*ram + CODE_GPA, code, sizeof(code));
	slot.userspace_addr = (uintptr_t)*ram;
	assert_int_equal(ioctl(rig->vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &slot), 0);
	run = mmap(NULL, run_bytes(rig), PROT_READ | PROT_WRITE, MAP_SHARED, rig->fds[0], 0);
	assert_ptr_not_equal(run, MAP_FAILED);
	return run;
}

/* To the next OUT, which is then done with: what it said. */
static int run_to_out(const struct vcpu_rig *rig, struct kvm_run *run)
{
	int said;

	run->immediate_exit = 0;
	assert_int_equal(ioctl(rig->fds[0], KVM_RUN, 0), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_IO);
	said = *((uint8_t *)run + run->io.data_offset);
	run->immediate_exit = 1;
	assert_int_equal(ioctl(rig->fds[0], KVM_RUN, 0), -1);
	assert_int_equal(errno, EINTR);
	return said;
}

/* A vCPU that has run goes on where it stood. */
static void test_vcpu_goes_on(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct vcpu_rig here, there;
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2, .rax = 0x40 };
	struct kvm_run *run_here, *run_there;
	void *ram_here, *ram_there;
	struct kvm_sregs sregs;
	struct guest_clock clock;
	struct bytes bytes;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	run_there = give_code(&there, &ram_there);
	run_here = give_code(&here, &ram_here);
	assert_int_equal(ioctl(there.fds[0], KVM_GET_SREGS, &sregs), 0);
	sregs.cs.base = sregs.cs.selector = 0;
	assert_int_equal(ioctl(there.fds[0], KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(there.fds[0], KVM_SET_REGS, &regs), 0);
	for (int i = 1; i < 10; i++)
		assert_int_equal(run_to_out(&there, run_there), 0x40 + i);
	vcpu_bytes(&there, 0, &bytes);
	clock = clock_of(&there);
	assert_fine(load_vcpu(&here, 0, &bytes, &e), &e);
	assert_fine(guest_clock_write(&clock, here.vm.vm_fd, here.fds, NR_VCPUS, &e), &e);
	assert_int_equal(run_to_out(&here, run_here), 0x4a);
	assert_int_equal(run_to_out(&there, run_there), 0x4a); /* and so it would if the migration had failed */
	munmap(run_here, run_bytes(&here));
	munmap(run_there, run_bytes(&there));
	munmap(ram_here, RAM_BYTES);
	munmap(ram_there, RAM_BYTES);
	close_rig(&here);
	close_rig(&there);
}

/* From there to here, away_ns after it was read; how far both clocks are to have gone is between two bounds. */
static void move_clock(int64_t away_ns, uint64_t least_ns, uint64_t most_ns)
{
	struct guest_clock before, after;
	struct vcpu_rig here, there;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	before = clock_of(&there);
	before.realtime_ns -= (uint64_t)away_ns;
	after = after_write(&here, &before);
	assert_true(after.kvmclock_ns - before.kvmclock_ns >= least_ns);
	assert_true(after.kvmclock_ns - before.kvmclock_ns <= most_ns);
	for (int i = 0; i < NR_VCPUS; i++) {
		uint64_t passed_ns = (after.tsc[i] - before.tsc[i]) * 1000 / before.tsc_khz * 1000;

		assert_true(passed_ns + 1000000 >= (sets_tsc(&here) ? least_ns : 0));
		assert_true(passed_ns <= most_ns);
	}
	assert_true(same_distance(&after, &before));
	close_rig(&here);
	close_rig(&there);
}

/* A guest of another host whose TSC is far ahead: it goes on from there, or KVM is said not to do it. */
static void test_tsc_of_another_host(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct guest_clock clock;
	struct vcpu_rig rig;
	int ret;

	open_rig(&rig, NULL);
	for (int ahead = 0; ahead < 2; ahead++) {
		clock = clock_of(&rig);
		for (int i = 0; i < NR_VCPUS; i++)
			clock.tsc[i] += (ahead ? 1000 : (uint64_t)-1000) * clock.tsc_khz * 1000;
		ret = guest_clock_write(&clock, rig.vm.vm_fd, rig.fds, NR_VCPUS, &e);
		assert_int_equal(ret, sets_tsc(&rig) ? 0 : -EIO);
		assert_true(!ret || strstr(e.what, "does not set the TSC of vCPU 0"));
	}
	close_rig(&rig);
}

/* The upper bounds leave room for a machine that is busy with other things. */
static void test_clock_goes_on(void **state)
{
	move_clock(0, 0, 10 * S_NS);
	move_clock(50 * (int64_t)S_NS, 50 * S_NS, 60 * S_NS);
}

static void test_clock_never_goes_back(void **state)
{
	move_clock(-100 * (int64_t)S_NS, 0, 10 * S_NS); /* the host says it is earlier than it was */
}

static void test_clock_goes_no_further_than_an_hour(void **state)
{
	move_clock(100000 * (int64_t)S_NS, GUEST_CLOCK_MAX_NS, GUEST_CLOCK_MAX_NS + 10 * S_NS);
}

static void set_deadline_timers(const struct vcpu_rig *rig)
{
	struct kvm_lapic_state lapic;

	for (int i = 0; i < NR_VCPUS; i++) {
		assert_int_equal(ioctl(rig->fds[i], KVM_GET_LAPIC, &lapic), 0);
		lapic.regs[0xf1] = 1;     /* SVR: on */
		lapic.regs[0x320] = 0x40; /* LVTT: vector 0x40, of a deadline */
		lapic.regs[0x322] = 4;
		assert_int_equal(ioctl(rig->fds[i], KVM_SET_LAPIC, &lapic), 0);
	}
}

/* vCPUs whose TSCs were apart stay so, to the cycle; a deadline stays what it was until it comes. */
static void test_tscs_and_deadlines(void **state)
{
	struct guest_clock before, after, came;
	struct bytes bytes, vcpu;
	struct vcpu_rig here, there;
	struct blob_out out = { .buf = bytes.at, .size_bytes = sizeof(bytes.at) };
	uint64_t apart;
	struct blob_in in;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	set_deadline_timers(&there);
	apart = sets_tsc(&here) ? 12345 : 0;
	before = clock_of(&there);
	before.tsc[1] = before.tsc[0] + apart;
	before = after_write(&there, &before);
	set_msr(there.fds[1], MSR_TSC_DEADLINE, before.tsc[1] + before.tsc_khz * 1000 * 3600);
	before = clock_of(&there);
	assert_true(llabs((int64_t)(before.tsc[1] - before.tsc[0] - apart)) <= tsc_slack(&before));
	guest_clock_encode(&before, &out);
	bytes.size_bytes = out.used_bytes;
	in = reader(&bytes);
	assert_int_equal(guest_clock_decode(&came, &in), 0);
	assert_true(blob_ended(&in));
	for (int i = 0; i < NR_VCPUS; i++) {
		vcpu_bytes(&there, i, &vcpu);
		assert_int_equal(load_vcpu(&here, i, &vcpu, NULL), 0);
		assert_int_equal(get_msr(here.fds[i], MSR_TSC_DEADLINE), 0);
	}
	after = after_write(&here, &came);
	assert_true(same_distance(&after, &before));
	assert_int_equal(after.deadline[0], 0);
	assert_true(after.deadline[1] && after.deadline[1] == before.deadline[1]);
	assert_int_equal(get_msr(here.fds[1], MSR_TSC_DEADLINE), before.deadline[1]);
	close_rig(&here);
	close_rig(&there);
}

static void test_broken_clock(void **state)
{
	struct guest_clock clock, came;
	struct vcpu_rig rig;
	struct bytes bytes;
	struct blob_out out = { .buf = bytes.at, .size_bytes = sizeof(bytes.at) };
	struct blob_in in;

	open_rig(&rig, NULL);
	clock = clock_of(&rig);
	guest_clock_encode(&clock, &out);
	for (size_t cut = 0; cut < out.used_bytes; cut++) {
		in = (struct blob_in){ .at = bytes.at, .left_bytes = cut };
		assert_int_equal(guest_clock_decode(&came, &in), -EBADMSG);
	}
	bytes.at[24] = GUEST_CLOCK_MAX_VCPUS + 1;
	in = (struct blob_in){ .at = bytes.at, .left_bytes = sizeof(bytes.at) };
	assert_int_equal(guest_clock_decode(&came, &in), -EBADMSG);
	clock.nr_vcpus = NR_VCPUS + 1;
	assert_int_equal(guest_clock_write(&clock, rig.vm.vm_fd, rig.fds, NR_VCPUS, NULL), -EBADMSG);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcpu_goes_on),          cmocka_unit_test(test_chips_move),
		cmocka_unit_test(test_broken_chips),          cmocka_unit_test(test_clock_goes_on),
		cmocka_unit_test(test_clock_never_goes_back), cmocka_unit_test(test_clock_goes_no_further_than_an_hour),
		cmocka_unit_test(test_tsc_of_another_host),   cmocka_unit_test(test_tscs_and_deadlines),
		cmocka_unit_test(test_broken_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
