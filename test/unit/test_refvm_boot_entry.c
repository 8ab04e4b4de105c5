/* SPDX-License-Identifier: BSD-3-Clause */
/* How KVM enters a Linux kernel: the registers, and a kernel made up that tells what it sees by them. */
#include "boot_rig.h"
#include "ref/board/board.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

struct machine {
	int kvm_fd, vm_fd, vcpu_fd;
	struct kvm_run *run;
};

static void make_machine(struct machine *machine, struct rig *rig)
{
	struct kvm_userspace_memory_region region = { .memory_size = RAM_BYTES };
	int run_bytes;

	machine->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	machine->vm_fd = machine->kvm_fd < 0 ? -1 : ioctl(machine->kvm_fd, KVM_CREATE_VM, 0);
	if (machine->vm_fd < 0) {
		print_message("SKIP: KVM makes no VM here\n");
		skip();
	}
	region.userspace_addr = (uintptr_t)rig->memory.hva;
	assert_int_equal(ioctl(machine->vm_fd, KVM_SET_USER_MEMORY_REGION, &region), 0);
	run_bytes = ioctl(machine->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	machine->vcpu_fd = ioctl(machine->vm_fd, KVM_CREATE_VCPU, 0);
	assert_true(machine->vcpu_fd >= 0);
	machine->run = mmap(NULL, (size_t)run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, machine->vcpu_fd, 0);
	assert_ptr_not_equal(machine->run, MAP_FAILED);
}

/* What the kernel says next. */
static uint32_t hear(struct machine *machine)
{
	const struct kvm_run *run = machine->run;

	assert_int_equal(ioctl(machine->vcpu_fd, KVM_RUN, 0), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_IO);
	assert_int_equal(run->io.port, BOARD_PORT_DEBUG);
	assert_int_equal(run->io.size, 4);
	return u32_at((const uint8_t *)run + run->io.data_offset);
}

static void assert_flat(const struct kvm_segment *segment, uint32_t selector)
{
	assert_int_equal(segment->selector, selector);
	assert_int_equal(segment->base, 0);
	assert_int_equal(segment->limit, 0xffffffff);
	assert_int_equal(segment->db, 1);
}

/* As the protocol wants it at the entry, and a kernel runs from there. */
static void test_kernel_runs(void **state)
{
	struct rig *rig = *state;
	struct machine machine;
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	make_machine(&machine, rig);
	rig->boot.vcpu_fds = &machine.vcpu_fd;
	assert_int_equal(boot_linux(&rig->boot, &rig->e), 0);
	assert_int_equal(ioctl(machine.vcpu_fd, KVM_GET_REGS, &regs), 0);
	assert_int_equal(ioctl(machine.vcpu_fd, KVM_GET_SREGS, &sregs), 0);
	assert_int_equal(regs.rip, LOAD_GPA);
	assert_int_equal(regs.rbx | regs.rbp | regs.rdi, 0);
	assert_int_equal(regs.rflags & 0x200, 0);
	assert_int_equal(sregs.cr0 & 0x80000001, 1);
	assert_flat(&sregs.cs, 0x10);
	assert_flat(&sregs.ds, 0x18);
	assert_flat(&sregs.es, 0x18);
	assert_flat(&sregs.ss, 0x18);
	assert_int_equal(u32_at(ram(rig, sregs.gdt.base + 0x14)), 0x00cf9b00);
	assert_int_equal(u32_at(ram(rig, sregs.gdt.base + 0x1c)), 0x00cf9300);
	assert_in_range(sregs.gdt.limit, 0x1f, 0xffff);

	assert_ptr_equal(ram(rig, hear(&machine)), params_of(rig));
	assert_int_equal(hear(&machine), u32_at((const uint8_t *)"console"));
	assert_int_equal(ioctl(machine.vcpu_fd, KVM_RUN, 0), 0);
	assert_int_equal(machine.run->exit_reason, KVM_EXIT_HLT);
	munmap(machine.run, (size_t)ioctl(machine.kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0));
	close(machine.vcpu_fd);
	close(machine.vm_fd);
	close(machine.kvm_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { RIG_TEST(test_kernel_runs) };

	return cmocka_run_group_tests_name("refvm_boot_entry", tests, NULL, NULL);
}
