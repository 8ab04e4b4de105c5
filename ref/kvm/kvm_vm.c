/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VM of KVM's without its vCPUs. KVM has an order: what a dirty ring is, and where Intel's helper pages are, must be
 * said before the first vCPU is made, and the interrupt controllers must be there before it too.
 */
#include "ref/kvm/kvm_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Four pages between the local APIC and the end of 4 GiB, where no BAR is: KVM uses them on Intel's CPUs. */
#define IDENTITY_MAP_GPA 0xfeffc000ull
#define TSS_GPA          0xfeffd000ul

static const char where[] = "KVM";

static const struct needed {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IRQFD_RESAMPLE, "KVM_CAP_IRQFD_RESAMPLE" },
	{ KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS" },
	{ KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS" },
	{ KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK" },
	{ KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ" },
};

static int open_kvm(struct kvm_vm *vm, struct gw_error *e)
{
	int run_bytes;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return gw_error_set(e, -errno, where, "/dev/kvm cannot be opened: %s", strerror(errno));
	pthread_mutex_init(&vm->lock, NULL);
	if (ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return gw_error_set(e, -EOPNOTSUPP, where, "/dev/kvm does not speak version %d of KVM's API",
				    KVM_API_VERSION);
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0)
			return gw_error_set(e, -EOPNOTSUPP, where, "this kernel's KVM lacks %s", needed[i].name);
	run_bytes = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_bytes < (int)sizeof(struct kvm_run))
		return gw_error_set(e, -EOPNOTSUPP, where, "this kernel's struct kvm_run has only %d bytes", run_bytes);
	vm->run_bytes = (uint32_t)run_bytes;
	return 0;
}

static int create_vm(struct kvm_vm *vm, struct gw_error *e)
{
	do /* a signal to this thread, which may take its time, is no failure */
		vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	while (vm->vm_fd < 0 && errno == EINTR);
	return vm->vm_fd < 0 ? gw_error_set(e, -errno, where, "KVM makes no VM: %s", strerror(errno)) : 0;
}

static int create_log(struct kvm_vm *vm, enum ref_vm_log log, struct gw_error *e)
{
	static const int modes[] = {
		[REF_VM_LOG_AUTO] = GW_KVM_LOG_AUTO,
		[REF_VM_LOG_BITMAP] = GW_KVM_LOG_BITMAP,
		[REF_VM_LOG_RING] = GW_KVM_LOG_RING,
	};

	if (log != REF_VM_LOG_AUTO && log != REF_VM_LOG_BITMAP && log != REF_VM_LOG_RING)
		return gw_error_set(e, -EINVAL, "dirty log", "--dirty-log %s is for threads: these vCPUs are KVM's",
				    ref_vm_log_names[log]);
	return gw_kvm_log_new(&vm->log, vm->vm_fd, modes[log], 0, e);
}

/* The dummy speaker's port, 0x61, is how Linux reads the PIT to find out the rate of its TSC. */
static int create_chips(struct kvm_vm *vm, struct gw_error *e)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = IDENTITY_MAP_GPA;

	if (ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) || ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_GPA))
		return gw_error_set(e, -errno, where, "its pages at 0x%llx were refused: %s", IDENTITY_MAP_GPA,
				    strerror(errno));
	if (ioctl(vm->vm_fd, KVM_CREATE_IRQCHIP, 0))
		return gw_error_set(e, -errno, where, "no interrupt controllers: %s", strerror(errno));
	if (ioctl(vm->vm_fd, KVM_CREATE_PIT2, &pit))
		return gw_error_set(e, -errno, where, "no timer: %s", strerror(errno));
	return 0;
}

/* size_bytes 0: takes it away. */
static int set_slot(const struct kvm_vm *vm, uint32_t slot, uint64_t gpa, uint64_t size_bytes, void *hva)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = gpa,
		.memory_size = size_bytes,
		.userspace_addr = (uintptr_t)hva,
	};

	return ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* Lock held. */
static int map_free_slot(struct kvm_vm *vm, uint64_t gpa, uint64_t size_bytes, void *hva, uint32_t *slot)
{
	uint32_t free = 0;
	int ret;

	while (free < KVM_VM_MAX_SLOTS && vm->used_slots[free / 64] >> free % 64 & 1)
		free++;
	if (free == KVM_VM_MAX_SLOTS)
		return -ENOSPC;
	ret = vm->refuse_slots ? -EINVAL : set_slot(vm, free, gpa, size_bytes, hva);
	if (ret)
		return ret;
	vm->used_slots[free / 64] |= 1ull << free % 64;
	*slot = free;
	return 0;
}

int kvm_vm_map(struct kvm_vm *vm, uint64_t gpa, uint64_t size_bytes, void *hva, uint32_t *slot, struct gw_error *e)
{
	int ret;

	pthread_mutex_lock(&vm->lock);
	ret = map_free_slot(vm, gpa, size_bytes, hva, slot);
	pthread_mutex_unlock(&vm->lock);
	return ret ? gw_error_set(e, ret, where, "guest memory at 0x%llx could not be mapped: %s",
				  (unsigned long long)gpa, strerror(-ret))
		   : 0;
}

void kvm_vm_unmap(struct kvm_vm *vm, uint32_t slot)
{
	pthread_mutex_lock(&vm->lock);
	set_slot(vm, slot, 0, 0, NULL);
	vm->used_slots[slot / 64] &= ~(1ull << slot % 64);
	pthread_mutex_unlock(&vm->lock);
}

static int map_ram(struct kvm_vm *vm, const struct guest_memory *memory, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < memory->nr_blocks; i++) {
		const struct gw_ram_block *block = &memory->blocks[i];
		struct gw_kvm_slot *ram = &vm->ram[vm->nr_ram++];

		*ram = (struct gw_kvm_slot){ .gpa = block->gpa, .size_bytes = block->size_bytes, .hva = block->hva };
		ret = kvm_vm_map(vm, ram->gpa, ram->size_bytes, ram->hva, &ram->slot, e);
	}
	return ret;
}

int kvm_vm_open(struct kvm_vm *vm, const struct guest_memory *memory, const struct ref_vm_options *options,
		struct gw_error *e)
{
	int ret;

	*vm = (struct kvm_vm)KVM_VM_CLOSED;
	vm->refuse_slots = options->lack && !strcmp(options->lack, "slot");
	ret = open_kvm(vm, e);
	if (!ret)
		ret = create_vm(vm, e);
	if (!ret)
		ret = create_log(vm, options->log, e);
	if (!ret)
		ret = create_chips(vm, e);
	if (!ret)
		ret = map_ram(vm, memory, e);
	if (ret)
		kvm_vm_close(vm);
	return ret;
}

int kvm_vm_attach(struct kvm_vm *vm, const struct guest_memory *memory, const int *vcpu_fds, uint32_t nr_vcpus,
		  struct gw_error *e)
{
	struct gw_kvm_vm all = {
		.size = sizeof(all),
		.vcpu_fds = vcpu_fds,
		.nr_vcpus = nr_vcpus,
		.slots = vm->ram,
		.nr_slots = vm->nr_ram,
		.ram = memory->blocks,
		.nr_ram = memory->nr_blocks,
	};

	return gw_kvm_log_attach(vm->log, &all, e);
}

void kvm_vm_detach(struct kvm_vm *vm)
{
	gw_kvm_log_free(vm->log);
	vm->log = NULL;
}

void kvm_vm_close(struct kvm_vm *vm)
{
	if (vm->kvm_fd < 0)
		return;
	kvm_vm_detach(vm);
	if (vm->vm_fd >= 0)
		close(vm->vm_fd);
	close(vm->kvm_fd);
	pthread_mutex_destroy(&vm->lock);
	*vm = (struct kvm_vm)KVM_VM_CLOSED;
}
