/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A Linux kernel is entered as its 32-bit boot protocol has it (Documentation/arch/x86/boot.rst): protected mode,
 * flat segments, no paging, and boot_params in esi. Its PC has no firmware: what that would tell is in boot_params and
 * in the MP table. The other vCPUs wait for the first one's call (INIT, SIPI), as after a reset.
 */
#include "ref/board/boot.h"
#include "ref/board/bzimage.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

/* Below 640 KiB, clear of page 0, whose words old firmware would have written, and of the MP table. */
#define GDT_GPA         0x1000
#define BOOT_PARAMS_GPA 0x7000
#define CMDLINE_GPA     0x20000
#define CMDLINE_BYTES   0x10000

#define LOW_END_GPA    0xa0000 /* where a PC's RAM has its hole for video and ROM */
#define HIGH_GPA       0x100000
#define INITRD_ALIGN   4096ull
#define LOADER_UNNAMED 0xff

enum { E820_IS_RAM = 1, E820_IS_RESERVED = 2 };

/* What the protocol wants at selectors 0x10 and 0x18: 4 GiB from 0, code to be executed and read, data to be written.
 */
#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
static const uint64_t gdt[] = { 0, 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };

/*
 * console: there is no other. acpi, pci: no tables and no BIOS to be searched for. reboot, panic: by a triple fault,
 * which is all this PC has, and at once, so that the VM ends with the kernel. no_timer_check: the timer is wired as the
 * MP table says, and a host that emulates may be too slow for the trial. tsc: what a kernel would judge it by is KVM's
 * clock, which a host may run at a slightly other rate, and which a move sets on for itself.
 */
static const char default_cmdline[] =
	"console=ttyS0 acpi=off pci=conf1 reboot=t panic=-1 no_timer_check tsc=nowatchdog";

struct loader {
	const struct boot *boot;
	struct bzimage kernel;
	struct boot_params params;
	uint64_t ram_end_gpa; /* of RAM from 1 MiB on, without a hole */
};

static uint8_t *hva(const struct loader *loader, uint64_t gpa)
{
	return (uint8_t *)loader->boot->memory->blocks[0].hva + gpa;
}

static int load_kernel(struct loader *loader, struct gw_error *e)
{
	const struct bzimage *kernel = &loader->kernel;

	if (kernel->end_gpa > loader->ram_end_gpa)
		return gw_error_set(e, -ENOMEM, kernel->file.what, "%s needs %llu MiB of RAM and the VM has %llu",
				    kernel->file.path, (unsigned long long)((kernel->end_gpa + 0xfffff) >> 20),
				    (unsigned long long)(loader->ram_end_gpa >> 20));
	return boot_file_read(&kernel->file, kernel->code_at, hva(loader, kernel->load_gpa), kernel->code_bytes, e);
}

static int load_cmdline(struct loader *loader, struct gw_error *e)
{
	const struct ref_vm_options *options = loader->boot->options;
	const char *text = options->append ? options->append : default_cmdline;
	struct setup_header *header = &loader->params.hdr;
	size_t length = strlen(text);

	if (length > header->cmdline_size || length >= CMDLINE_BYTES)
		return gw_error_set(e, -E2BIG, "kernel", "a command line of %zu bytes is too long for %s", length,
				    options->kernel_path);
	memcpy(hva(loader, CMDLINE_GPA), text, length + 1);
	header->cmd_line_ptr = CMDLINE_GPA;
	return 0;
}

/* As high as the kernel can have it: what is below is free for the kernel to grow into. */
static int place_initrd(struct loader *loader, const struct boot_file *initrd, struct gw_error *e)
{
	struct setup_header *header = &loader->params.hdr;
	uint64_t top = (uint64_t)header->initrd_addr_max + 1;
	uint64_t least = (loader->kernel.end_gpa + INITRD_ALIGN - 1) & ~(INITRD_ALIGN - 1), at;

	if (top > loader->ram_end_gpa)
		top = loader->ram_end_gpa;
	if (top < least || initrd->size_bytes > top - least)
		return gw_error_set(e, -ENOMEM, initrd->what, "%s has %llu KiB, the RAM beside the kernel %llu",
				    initrd->path, (unsigned long long)((initrd->size_bytes + 1023) >> 10),
				    (unsigned long long)(top > least ? (top - least) >> 10 : 0));
	at = (top - initrd->size_bytes) & ~(INITRD_ALIGN - 1);
	header->ramdisk_image = (uint32_t)at;
	header->ramdisk_size = (uint32_t)initrd->size_bytes;
	return boot_file_read(initrd, 0, hva(loader, at), initrd->size_bytes, e);
}

static int load_initrd(struct loader *loader, struct gw_error *e)
{
	struct boot_file initrd;
	int ret;

	if (!loader->boot->options->initrd_path)
		return 0;
	ret = boot_file_open(&initrd, "initrd", loader->boot->options->initrd_path, e);
	if (ret)
		return ret;
	ret = place_initrd(loader, &initrd, e);
	boot_file_close(&initrd);
	return ret;
}

static void add_e820(struct boot_params *params, uint64_t gpa, uint64_t size_bytes, uint32_t type)
{
	params->e820_table[params->e820_entries++] =
		(struct boot_e820_entry){ .addr = gpa, .size = size_bytes, .type = type };
}

static void tell_memory(struct loader *loader)
{
	const struct guest_memory *memory = loader->boot->memory;

	add_e820(&loader->params, 0, MP_TABLE_GPA, E820_IS_RAM);
	add_e820(&loader->params, MP_TABLE_GPA, LOW_END_GPA - MP_TABLE_GPA, E820_IS_RESERVED);
	add_e820(&loader->params, HIGH_GPA, loader->ram_end_gpa - HIGH_GPA, E820_IS_RAM);
	for (uint32_t i = 1; i < memory->nr_blocks; i++)
		add_e820(&loader->params, memory->blocks[i].gpa, memory->blocks[i].size_bytes, E820_IS_RAM);
}

/* boot_params are zeroes, the header as the kernel has it, and what the loader says in both. */
static void start_params(struct loader *loader)
{
	struct setup_header *header = &loader->params.hdr;

	memcpy((uint8_t *)&loader->params + BZIMAGE_HEADER_AT, loader->kernel.header_bytes, BZIMAGE_MAX_HEADER_BYTES);
	header->type_of_loader = LOADER_UNNAMED;
	header->code32_start = (uint32_t)loader->kernel.load_gpa;
	header->ramdisk_image = 0;
	header->ramdisk_size = 0;
	header->setup_data = 0;
}

static int load(struct loader *loader, struct gw_error *e)
{
	const struct boot *boot = loader->boot;
	int ret = load_kernel(loader, e);

	if (ret)
		return ret;
	start_params(loader);
	ret = load_cmdline(loader, e);
	if (!ret)
		ret = load_initrd(loader, e);
	if (ret)
		return ret;
	tell_memory(loader);
	memcpy(hva(loader, GDT_GPA), gdt, sizeof(gdt));
	memcpy(hva(loader, BOOT_PARAMS_GPA), &loader->params, sizeof(loader->params));
	mp_table_write(hva(loader, MP_TABLE_GPA), boot->nr_vcpus, boot->nr_devices);
	return 0;
}

int boot_linux_load(const struct boot *boot, uint32_t *entry, struct gw_error *e)
{
	struct loader loader = { .boot = boot, .ram_end_gpa = boot->memory->blocks[0].size_bytes };
	int ret;

	if (boot->nr_vcpus > MP_TABLE_MAX_VCPUS)
		return gw_error_set(e, -EINVAL, "kernel",
				    "a Linux kernel gets %d vCPUs here at the most, and %u are asked for",
				    MP_TABLE_MAX_VCPUS, boot->nr_vcpus);
	ret = bzimage_open(&loader.kernel, boot->options->kernel_path, e);
	if (ret)
		return ret;
	ret = load(&loader, e);
	if (!ret)
		*entry = (uint32_t)loader.kernel.load_gpa;
	bzimage_close(&loader.kernel);
	return ret;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff, .selector = selector, .type = type, .present = 1, .db = 1, .s = 1, .g = 1
	};
}

static int enter(int vcpu_fd, uint32_t entry, struct gw_error *e)
{
	struct kvm_regs regs = { .rip = entry, .rsi = BOOT_PARAMS_GPA, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs))
		return gw_error_set(e, -errno, "vCPU 0", "KVM does not tell its registers: %s", strerror(errno));
	sregs.cs = flat_segment(SELECTOR_CODE, 0xb);
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat_segment(SELECTOR_DATA, 0x3);
	sregs.gdt = (struct kvm_dtable){ .base = GDT_GPA, .limit = sizeof(gdt) - 1 };
	sregs.idt = (struct kvm_dtable){ 0 };
	sregs.cr0 = 0x11; /* PE, and ET, which is always set */
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) || ioctl(vcpu_fd, KVM_SET_REGS, &regs))
		return gw_error_set(e, -errno, "vCPU 0", "KVM refuses the registers a kernel starts with: %s",
				    strerror(errno));
	return 0;
}

int boot_linux(const struct boot *boot, struct gw_error *e)
{
	uint32_t entry;
	int ret = boot_linux_load(boot, &entry, e);

	return ret ? ret : enter(boot->vcpu_fds[0], entry, e);
}
