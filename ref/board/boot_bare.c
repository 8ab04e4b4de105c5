/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How the bare guest starts: page tables and a GDT below the image, and every vCPU in 64-bit mode at the image's first
 * byte, with its number in rdi (Intel SDM volume 3, 4.5 and 9.8.5). Mapped in pages of 2 MiB: the lower 4 GiB and what
 * is at BOARD_PCI64_BASE as they are, and all of RAM in one piece, in the order of its file, at BARE_RAM_VA.
 */
#include "ref/board/board.h"
#include "ref/board/boot.h"
#include "ref/guest/bare_guest.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#define GIB          (1ull << 30)
#define LARGE_PAGE   (2ull << 20)
#define ENTRIES      512
#define GIBS_LOW     4
#define GIBS_PCI64   4
#define MAX_RAM_GIBS (unsigned)(BARE_MAX_RAM_BYTES / GIB)

#define GDT_GPA    0x1000u
#define TABLES_GPA 0x2000u
#define TABLES_END 0x9f000u

#define ENTRY_TABLE    0x003u /* present, writable */
#define ENTRY_PAGE     0x083u /* and large */
#define ENTRY_UNCACHED 0x018u

#define CR0      0x80010033u /* PG, WP, NE, ET, MP, PE */
#define CR4      0x20u       /* PAE */
#define EFER     0x500u      /* LMA, LME */
#define RFLAGS   0x2u        /* the bit that is always set */
#define CODE     0x08
#define DATA     0x10
#define TSS_TYPE 11 /* 64 bits, busy */

_Static_assert(TABLES_GPA + (3 + GIBS_LOW + GIBS_PCI64 + MAX_RAM_GIBS) * GW_PAGE_BYTES <= TABLES_END, "tables fit");

struct tables {
	uint8_t *ram;
	uint64_t used_gpa; /* the next one */
};

static uint64_t *table_at(const struct tables *tables, uint64_t gpa)
{
	return (uint64_t *)(void *)(tables->ram + gpa);
}

/* The table that an entry points to; made when it is first asked for. */
static uint64_t *step_down(struct tables *tables, uint64_t *entry)
{
	if (!*entry) {
		memset(tables->ram + tables->used_gpa, 0, GW_PAGE_BYTES);
		*entry = tables->used_gpa | ENTRY_TABLE;
		tables->used_gpa += GW_PAGE_BYTES;
	}
	return table_at(tables, *entry & ~(uint64_t)(GW_PAGE_BYTES - 1));
}

/* One GiB. Both are multiples of it. */
static void map_gib(struct tables *tables, uint64_t va, uint64_t gpa, uint64_t flags)
{
	uint64_t *pml4 = table_at(tables, TABLES_GPA);
	uint64_t *pdpt = step_down(tables, &pml4[va >> 39 & (ENTRIES - 1)]);
	uint64_t *directory = step_down(tables, &pdpt[va >> 30 & (ENTRIES - 1)]);

	for (uint64_t i = 0; i < ENTRIES; i++)
		directory[i] = (gpa + i * LARGE_PAGE) | flags;
}

/* The end of RAM need not be one of a GiB: what is beyond it is mapped, and is not touched. */
static void write_tables(const struct guest_memory *memory)
{
	struct tables tables = { .ram = memory->hva, .used_gpa = TABLES_GPA + GW_PAGE_BYTES };

	memset(memory->hva + TABLES_GPA, 0, GW_PAGE_BYTES);
	for (uint64_t at = 0; at < GIBS_LOW * GIB; at += GIB)
		map_gib(&tables, at, at, at < BOARD_PCI_BASE ? ENTRY_PAGE : ENTRY_PAGE | ENTRY_UNCACHED);
	for (uint64_t at = BOARD_PCI64_BASE; at < BOARD_PCI64_BASE + GIBS_PCI64 * GIB; at += GIB)
		map_gib(&tables, at, at, ENTRY_PAGE | ENTRY_UNCACHED);
	for (uint64_t at = 0; at < memory->size_bytes; at += GIB)
		map_gib(&tables, BARE_RAM_VA + at,
			at < GUEST_MEMORY_HOLE ? at : at - GUEST_MEMORY_HOLE + GUEST_MEMORY_ABOVE_HOLE, ENTRY_PAGE);
}

/* iretq takes the code segment from there. */
static void write_gdt(const struct guest_memory *memory)
{
	static const uint64_t gdt[] = {
		[CODE / 8] = 0x00af9b000000ffff,
		[DATA / 8] = 0x00cf93000000ffff,
	};

	memcpy(memory->hva + GDT_GPA, gdt, sizeof(gdt));
}

static void set_segments(struct kvm_sregs *sregs)
{
	struct kvm_segment code = {
		.limit = UINT32_MAX, .selector = CODE, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1
	};
	struct kvm_segment data = {
		.limit = UINT32_MAX, .selector = DATA, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1
	};

	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){ .limit = UINT16_MAX, .type = TSS_TYPE, .present = 1 };
	sregs->gdt = (struct kvm_dtable){ .base = GDT_GPA, .limit = 3 * 8 - 1 };
	sregs->idt = (struct kvm_dtable){ .base = 0 };
}

static int start_vcpu(int fd, uint32_t index)
{
	struct kvm_regs regs = { .rip = BARE_IMAGE_GPA, .rflags = RFLAGS, .rdi = index };
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs;

	if (ioctl(fd, KVM_GET_SREGS, &sregs))
		return -errno;
	set_segments(&sregs);
	sregs.cr0 = CR0;
	sregs.cr3 = TABLES_GPA;
	sregs.cr4 = CR4;
	sregs.efer = EFER;
	if (ioctl(fd, KVM_SET_SREGS, &sregs) || ioctl(fd, KVM_SET_REGS, &regs) ||
	    ioctl(fd, KVM_SET_MP_STATE, &runnable))
		return -errno;
	return 0;
}

int boot_bare(const struct boot *boot, struct gw_error *e)
{
	int ret;

	if (boot->memory->size_bytes > MAX_RAM_GIBS * GIB)
		return gw_error_set(e, -EINVAL, "guest", "the bare guest has page tables for %u GiB at the most",
				    MAX_RAM_GIBS);
	ret = bare_guest_load(boot->memory, boot->options, boot->nr_devices, boot->tsc_khz, e);
	if (ret)
		return ret;
	write_tables(boot->memory);
	write_gdt(boot->memory);
	for (uint32_t i = 0; i < boot->nr_vcpus; i++) {
		ret = start_vcpu(boot->vcpu_fds[i], i);
		if (ret)
			return gw_error_set(e, ret, "vCPUs", "vCPU %u did not take the registers it starts with: %s", i,
					    strerror(-ret));
	}
	return 0;
}
