/* SPDX-License-Identifier: BSD-3-Clause */
/* Which MSRs are state. */
#include "ref/kvm/msr_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define IO_MSRS 64 /* KVM takes up to 255 at a time */

struct msr_range {
	uint32_t first, last;
};

/*
 * Of the kernel's list, but no state of this guest: what it is not shown in its CPUID (guest_cpuid.c), so a host that
 * has none of it will do as well. kvmclock's wall clock is a request: writing it makes KVM write the time into guest
 * RAM, and a guest that wants to know the time writes it again.
 */
static const struct msr_range not_state[] = {
	/* kvmclock's wall clock; KVM's other offers: async page faults, steal time, EOI in memory, polling */
	{ 0x11, 0x11 },
	{ 0x4b564d00, 0x4b564d00 },
	{ 0x4b564d02, 0x4b564dff },
	/* what tells of the host's CPU (IA32_ARCH_CAPABILITIES); SGX; Processor Trace; Hyper-V */
	{ 0x10a, 0x10a },
	{ 0x8c, 0x8f },
	{ 0x560, 0x58f },
	{ 0x40000000, 0x400001ff },
	/* nested virtualization: VMX and SVM */
	{ 0x480, 0x493 },
	{ 0xc0000104, 0xc0000104 },
	{ 0xc0010114, 0xc0010117 },
	/* counters: of events, and how fast the CPU is */
	{ 0xc1, 0xc8 },
	{ 0xe7, 0xe8 },
	{ 0x186, 0x18d },
	{ 0x309, 0x30b },
	{ 0x345, 0x345 },
	{ 0x38d, 0x390 },
	{ 0x3f1, 0x3f2 },
	{ 0x4c1, 0x4c8 },
	{ 0x600, 0x600 },
	{ 0xc0000300, 0xc0000303 },
	{ 0xc0010000, 0xc0010007 },
	{ 0xc0010200, 0xc001020b },
};

/* State that KVM keeps and does not list: the MTRRs. */
static const struct msr_range not_listed[] = {
	{ 0x200, 0x20f }, { 0x250, 0x250 }, { 0x258, 0x259 }, { 0x268, 0x26f }, { 0x2ff, 0x2ff },
};

static int by_index(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

int msr_io(int vcpu_fd, unsigned long request, struct kvm_msr_entry *entries, uint32_t nr)
{
	_Alignas(struct kvm_msrs) uint8_t buf[sizeof(struct kvm_msrs) + IO_MSRS * sizeof(*entries)];
	struct kvm_msrs *msrs = (struct kvm_msrs *)buf;
	uint32_t done = 0;
	int ret;

	do {
		msrs->nmsrs = nr - done < IO_MSRS ? nr - done : IO_MSRS;
		msrs->pad = 0;
		memcpy(msrs->entries, entries + done, msrs->nmsrs * sizeof(*entries));
		ret = ioctl(vcpu_fd, request, msrs);
		if (ret < 0)
			return -errno;
		memcpy(entries + done, msrs->entries, (uint32_t)ret * sizeof(*entries));
		done += (uint32_t)ret;
	} while (done < nr && (uint32_t)ret == msrs->nmsrs);
	return (int)done;
}

static int is_state(uint32_t index, int vcpu_fd)
{
	struct kvm_msr_entry entry = { .index = index };

	for (size_t i = 0; i < sizeof(not_state) / sizeof(not_state[0]); i++)
		if (index >= not_state[i].first && index <= not_state[i].last)
			return 0;
	return msr_io(vcpu_fd, KVM_GET_MSRS, &entry, 1) == 1;
}

/* The kernel's list, and what it leaves out. */
static int list_all(struct msr_list *all, int kvm_fd, struct gw_error *e)
{
	_Alignas(struct kvm_msr_list) uint8_t buf[sizeof(struct kvm_msr_list) + MSR_LIST_MAX * sizeof(uint32_t)];
	struct kvm_msr_list *kernel = (struct kvm_msr_list *)buf;

	kernel->nmsrs = MSR_LIST_MAX - 64;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, kernel))
		return gw_error_set(e, -errno, "vCPUs", "KVM_GET_MSR_INDEX_LIST: %s", strerror(errno));
	all->nr = kernel->nmsrs;
	memcpy(all->index, kernel->indices, all->nr * sizeof(all->index[0]));
	for (size_t i = 0; i < sizeof(not_listed) / sizeof(not_listed[0]); i++)
		for (uint32_t index = not_listed[i].first; index <= not_listed[i].last; index++)
			all->index[all->nr++] = index;
	qsort(all->index, all->nr, sizeof(all->index[0]), by_index);
	return 0;
}

int msr_list_read(struct msr_list *list, int kvm_fd, int vcpu_fd, uint32_t hidden, struct gw_error *e)
{
	struct msr_list all;
	int ret = list_all(&all, kvm_fd, e);

	list->nr = 0;
	for (uint32_t i = 0; !ret && i < all.nr; i++)
		if ((!i || all.index[i] != all.index[i - 1]) && (!hidden || all.index[i] != hidden) &&
		    is_state(all.index[i], vcpu_fd))
			list->index[list->nr++] = all.index[i];
	return ret;
}

int msr_list_has(const struct msr_list *list, uint32_t index)
{
	return bsearch(&index, list->index, list->nr, sizeof(index), by_index) != NULL;
}
