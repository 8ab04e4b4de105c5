/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's dirty log: which pages of guest RAM the vCPUs have written. The VMM makes it with its VM, tells it its vCPU
 * fds, memory slots and RAM blocks, and passes start, sync and stop on from its gw_vm_ops. fds and slots stay the
 * VMM's: open, and as they are, until the log is freed.
 *
 *	gw_kvm_log_new(&log, vm_fd, GW_KVM_LOG_AUTO, 0, &e);	right after KVM_CREATE_VM
 *	...							vCPUs and slots
 *	gw_kvm_log_attach(log, &vm, &e);
 *
 * Writes by KVM_RUN are what it sees. What the VMM itself writes to guest RAM (its own device models, ioctls that fill
 * guest memory) is the VMM's to add to the bitmap of its dirty_sync. The last sync of a migration, after pause, misses
 * nothing once every vCPU is out of KVM_RUN.
 */
#ifndef GODWIT_KVM_H
#define GODWIT_KVM_H

#include <godwit/error.h>
#include <godwit/vm.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gw_kvm_log;

/*
 * BITMAP: one bit a page of a slot (KVM_GET_DIRTY_LOG; with KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 where the kernel has it).
 * Every KVM has it. A sync costs by the size of RAM: 32 MiB of bits a TiB.
 *
 * RING: a queue of page numbers for each vCPU (KVM_CAP_DIRTY_LOG_RING, x86, Linux 5.11). A sync costs by what was
 * written. In exchange KVM_RUN ends with KVM_EXIT_DIRTY_RING_FULL now and then (gw_kvm_log_ring_full).
 *
 * AUTO is BITMAP, the ring is for those who ask for it: a kernel that loses entries of a bitmap is not known, of the
 * ring there are. Linux 6.16 and later forget to protect pages again if a signal comes during
 * KVM_RESET_DIRTY_RINGS, for which the log makes up. A KVM that emulates many instructions between two looks at a ring
 * writes over entries that nobody has read: the one that is known, kvm_pvm, is refused. Where another is found out, by
 * what it leaves in the ring, sync fails with -EOVERFLOW; such a ring is of no use for the rest of the VM's life, and
 * its vCPU may not come out of KVM_EXIT_DIRTY_RING_FULL.
 */
#define GW_KVM_LOG_AUTO   0
#define GW_KVM_LOG_BITMAP 1
#define GW_KVM_LOG_RING   2

#define GW_KVM_LOG_RING_ENTRIES 16384 /* of each vCPU, 16 bytes each, if the caller does not care */

/*
 * Chooses and switches on in KVM. A ring has to be asked for before the first vCPU is made: that is KVM's rule.
 * For a bitmap KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 is switched on, for a ring off, for the whole VM: a VMM that logs a
 * slot for itself, its screen's say, goes by that.
 * ring_entries: a power of two, 1024 to 65536 on x86; 0: GW_KVM_LOG_RING_ENTRIES; not looked at for a bitmap.
 * -EOPNOTSUPP: a ring was asked for, and this KVM has none or one that is known to lose writes; BITMAP is still to be
 * had. -ENOTTY: not the fd of a VM.
 */
int gw_kvm_log_new(struct gw_kvm_log **log, int vm_fd, int mode, uint32_t ring_entries, struct gw_error *e);

/* A memory slot as the VMM has given it to KVM_SET_USER_MEMORY_REGION. It lies in one RAM block. */
struct gw_kvm_slot {
	uint32_t slot;  /* KVM's number; its upper 16 bits are the address space */
	uint32_t flags; /* 0 or KVM_MEM_READONLY; KVM_MEM_LOG_DIRTY_PAGES is the log's to set and clear */
	uint64_t gpa;
	uint64_t size_bytes;
	void *hva;
};

struct gw_kvm_vm {
	uint32_t size;       /* sizeof(struct gw_kvm_vm) of the caller */
	const int *vcpu_fds; /* all of them; a bitmap needs none */
	uint32_t nr_vcpus;
	const struct gw_kvm_slot *slots; /* all that have RAM of the blocks; a block may have several */
	uint32_t nr_slots;
	const struct gw_ram_block *ram; /* as in struct gw_vm: sync counts blocks as it does */
	uint32_t nr_ram;
};

/*
 * Once, when vCPUs and slots are made; what vm points to is not kept. -EINVAL: a slot that lies in no block, pages of a
 * block that lie in no slot, flags that cannot be logged. -EBADFD: an fd of vcpu_fds that has no ring of this size.
 */
int gw_kvm_log_attach(struct gw_kvm_log *log, const struct gw_kvm_vm *vm, struct gw_error *e);

/*
 * As gw_vm_ops has them, one thread at a time. A failed sync has lost nothing, unless it says -EOVERFLOW (writes are
 * lost, and so is every sync from there on: the migration must end). Signals of the calling thread wait meanwhile.
 */
int gw_kvm_log_start(struct gw_kvm_log *log, struct gw_error *e);
int gw_kvm_log_sync(struct gw_kvm_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e);
void gw_kvm_log_stop(struct gw_kvm_log *log);
void gw_kvm_log_free(struct gw_kvm_log *log); /* no vCPU's thread may be in it; NULL is fine */

/*
 * KVM_RUN has returned with KVM_EXIT_DIRTY_RING_FULL: the vCPU's thread calls this, beside everything else, after stop
 * too, and runs on. What the rings held is kept in the log's own bitmap until the next sync.
 */
int gw_kvm_log_ring_full(struct gw_kvm_log *log, struct gw_error *e);

int gw_kvm_log_mode(const struct gw_kvm_log *log); /* GW_KVM_LOG_BITMAP or _RING: what is in use */
/* "KVM dirty bitmap", "KVM dirty ring": the same for people. */
const char *gw_kvm_log_name(const struct gw_kvm_log *log);

#ifdef __cplusplus
}
#endif
#endif
