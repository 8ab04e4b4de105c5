/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A KVM that knows dirty rings, and nothing else: ioctl() and access() of the test that includes this; a vCPU's fd is a
 * file whose pages are the ring. It fills entries in turn, takes back those that carry RESET, in turn, and counts them,
 * as the documentation has it; and it can be told to do what it should not.
 */
#ifndef TEST_FAKE_KVM_RING_H
#define TEST_FAKE_KVM_RING_H

#include <errno.h>
#include <godwit/kvm.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define VM_FD    1000
#define NR_VCPUS 2
#define ENTRIES  256u /* a page's worth */
#define RING_AT  (KVM_DIRTY_LOG_PAGE_OFFSET * (off_t)GW_PAGE_BYTES)

static struct kernel {
	int fds[NR_VCPUS];
	struct kvm_dirty_gfn *rings[NR_VCPUS];
	uint32_t pushed[NR_VCPUS], taken[NR_VCPUS];
	bool logs, is_pvm;
	int ring_fails, reset_fails; /* errno */
	uint64_t manual;             /* last value of the capability */
	uint32_t nr_resets;
	int nr_short; /* so many resets end after SHORT_TAKES entries */
	bool stuck;   /* takes nothing back, ever */
	int add;      /* to the count */
	bool signals; /* raise SIGUSR1 when a reset begins, and cut it short if it comes through */
	bool came;    /* it did */
} kernel;

#define SHORT_TAKES 3

static inline int refuse(int code)
{
	errno = code;
	return -1;
}

static inline void on_signal(int number)
{
	kernel.came = true;
}

static inline int reset_rings(void)
{
	int nr = 0, most = (int)(NR_VCPUS * ENTRIES);

	kernel.nr_resets++;
	if (kernel.reset_fails)
		return refuse(kernel.reset_fails);
	if (kernel.signals)
		raise(SIGUSR1);
	if (kernel.stuck || kernel.came)
		return 0;
	if (kernel.nr_short) {
		kernel.nr_short--;
		most = SHORT_TAKES;
	}
	for (int v = 0; v < NR_VCPUS; v++)
		for (; nr < most; nr++, kernel.taken[v]++) {
			struct kvm_dirty_gfn *gfn = &kernel.rings[v][kernel.taken[v] % ENTRIES];

			if (!(gfn->flags & KVM_DIRTY_GFN_F_RESET))
				break;
			gfn->flags = 0;
		}
	return nr + kernel.add;
}

/* In place of the C library's. */
int ioctl(int fd, unsigned long number, ...)
{
	struct kvm_enable_cap *cap;
	va_list args;
	void *arg;

	va_start(args, number);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd != VM_FD)
		return refuse(ENOTTY);
	switch (number) {
	case KVM_CHECK_EXTENSION:
		return (uintptr_t)arg == KVM_CAP_DIRTY_LOG_RING ? (int)(ENTRIES * sizeof(struct kvm_dirty_gfn)) : 3;
	case KVM_ENABLE_CAP:
		cap = arg;
		if (cap->cap == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2)
			kernel.manual = cap->args[0];
		return cap->cap == KVM_CAP_DIRTY_LOG_RING && kernel.ring_fails ? refuse(kernel.ring_fails) : 0;
	case KVM_SET_USER_MEMORY_REGION:
		kernel.logs = ((struct kvm_userspace_memory_region *)arg)->flags & KVM_MEM_LOG_DIRTY_PAGES;
		return 0;
	case KVM_RESET_DIRTY_RINGS:
		return reset_rings();
	}
	return refuse(ENOTTY);
}

int access(const char *path, int mode)
{
	assert_string_equal(path, "/sys/module/kvm_pvm");
	return kernel.is_pvm ? 0 : refuse(ENOENT);
}

static inline void push(int vcpu, uint32_t slot, uint64_t page)
{
	struct kvm_dirty_gfn *gfn = &kernel.rings[vcpu][kernel.pushed[vcpu]++ % ENTRIES];

	*gfn = (struct kvm_dirty_gfn){ .flags = KVM_DIRTY_GFN_F_DIRTY, .slot = slot, .offset = page };
}

static inline void open_kernel(void)
{
	kernel = (struct kernel){ .manual = 99 };
	for (int v = 0; v < NR_VCPUS; v++) {
		size_t bytes = ENTRIES * sizeof(struct kvm_dirty_gfn);

		kernel.fds[v] = memfd_create("vcpu", MFD_CLOEXEC);
		assert_int_equal(ftruncate(kernel.fds[v], RING_AT + (off_t)bytes), 0);
		kernel.rings[v] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, kernel.fds[v], RING_AT);
		assert_ptr_not_equal(kernel.rings[v], MAP_FAILED);
	}
}

static inline void close_kernel(void)
{
	for (int v = 0; v < NR_VCPUS; v++) {
		munmap(kernel.rings[v], ENTRIES * sizeof(struct kvm_dirty_gfn));
		close(kernel.fds[v]);
	}
}

#endif
