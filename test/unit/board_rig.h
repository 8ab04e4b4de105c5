/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A board in a VM of KVM's whose one vCPU never runs: what is raised stays in its local APIC, where it is counted. And
 * a device of a few lines: configuration space, three BARs, MSI-X, MSI, INTx.
 */
#ifndef TEST_BOARD_RIG_H
#define TEST_BOARD_RIG_H

#include "ref/board/board.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FAKE_REGISTERS  0 /* 32-bit memory, 4 KiB */
#define FAKE_MEMORY     2 /* 64-bit memory, prefetchable; MSI-X in its second page, the others can be mapped */
#define FAKE_PORTS      4 /* 8 ports */
#define FAKE_MEM_BYTES  0x8000u
#define FAKE_TABLE      0x1800u
#define FAKE_PBA        0x1f00u
#define FAKE_NR_VECTORS 3
#define FAKE_MSI_AT     0x48
#define FAKE_MSIX_AT    0x50
#define FAKE_STATUS_AT  0x60 /* a register that is the device's own */
#define VECTOR          0x41 /* of the guest's, for the device's vector 0; the next for the next */
#define MSI_ADDRESS     0xfee00000u
#define LAPIC_SVR       0xf0
#define LAPIC_IRR       0x200

struct fake {
	uint8_t config[256];
	uint8_t regions[7][FAKE_MEM_BYTES];
	uint64_t sizes[8];
	int memfd;
	uint8_t *memory; /* of memfd */
	int msix[FAKE_NR_VECTORS];
	int intx;
	uint32_t nr_binds;
	uint32_t without_intx;
	uint32_t failing; /* accesses fail */
	_Atomic uint32_t nr_unmasks;
};

static inline int fake_info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	*info = (struct gw_device_info){ .nr_regions = 9, .nr_irqs = 3, .features = GW_FEATURE_PCI };
	return 0;
}

static inline int fake_region_info(void *ctx, uint32_t index, struct gw_region_info *info, struct gw_error *e)
{
	struct fake *fake = ctx;

	*info = (struct gw_region_info){ .index = index, .size_bytes = index < 8 ? fake->sizes[index] : 0 };
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	return 0;
}

static inline uint8_t *fake_at(struct fake *fake, uint32_t index, uint64_t offset)
{
	if (index == GW_REGION_CONFIG)
		return fake->config + offset;
	if (index == FAKE_MEMORY && fake->memory)
		return fake->memory + offset;
	return fake->regions[index] + offset;
}

static inline ssize_t fake_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size, struct gw_error *e)
{
	struct fake *fake = ctx;

	assert_true(index < 8 && offset + size <= fake->sizes[index]);
	if (fake->failing)
		return -EIO;
	memcpy(buf, fake_at(fake, index, offset), size);
	return (ssize_t)size;
}

static inline ssize_t fake_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size,
				 struct gw_error *e)
{
	struct fake *fake = ctx;

	assert_true(index < 8 && offset + size <= fake->sizes[index]);
	if (fake->failing)
		return -EIO;
	memcpy(fake_at(fake, index, offset), buf, size);
	return (ssize_t)size;
}

static inline int fake_map(void *ctx, uint32_t index, uint64_t from, struct gw_region_map *map, struct gw_error *e)
{
	struct fake *fake = ctx;

	if (index != FAKE_MEMORY || fake->memfd < 0)
		return -EOPNOTSUPP;
	if (from >= FAKE_MEM_BYTES)
		return -ENOENT;
	map->region_offset = from;
	map->size_bytes = FAKE_MEM_BYTES - from;
	map->fd_offset = from;
	map->fd = dup(fake->memfd);
	return 0;
}

static inline int fake_irq_info(void *ctx, uint32_t index, struct gw_irq_info *info, struct gw_error *e)
{
	struct fake *fake = ctx;

	*info = (struct gw_irq_info){ .index = index, .flags = VFIO_IRQ_INFO_EVENTFD };
	info->count = index == GW_IRQ_MSIX ? FAKE_NR_VECTORS : index == GW_IRQ_INTX ? !fake->without_intx : 1;
	return 0;
}

static inline int fake_irq_set(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *fds,
			       struct gw_error *e)
{
	struct fake *fake = ctx;

	assert_true(index == GW_IRQ_MSIX || index == GW_IRQ_INTX);
	/* As the kernel has it: one kind of interrupt at a time, and vectors all at once. */
	if (index == GW_IRQ_MSIX) {
		assert_true(!count || fake->intx < 0);
		assert_true(!count || (!start && count == FAKE_NR_VECTORS));
		for (int v = 0; v < FAKE_NR_VECTORS; v++)
			fake->msix[v] = count ? fds[v] : -1;
	} else {
		assert_true(!count || fake->msix[0] < 0);
		fake->intx = count ? fds[0] : -1;
	}
	fake->nr_binds++;
	return 0;
}

static inline int fake_irq_mask(void *ctx, uint32_t index, uint32_t start, uint32_t count, int masked,
				struct gw_error *e)
{
	struct fake *fake = ctx;

	assert_int_equal(index, GW_IRQ_INTX);
	assert_int_equal(masked, 0);
	fake->nr_unmasks++;
	return 0;
}

static const struct gw_device_ops fake_ops = {
	.size = sizeof(fake_ops),
	.info = fake_info,
	.region_info = fake_region_info,
	.region_read = fake_read,
	.region_write = fake_write,
	.region_map = fake_map,
	.irq_info = fake_irq_info,
	.irq_set = fake_irq_set,
	.irq_mask = fake_irq_mask,
};

static inline void put(uint8_t *at, uint32_t width, uint32_t value)
{
	memcpy(at, &value, width);
}

/* List of capabilities: MSI, then MSI-X. */
static inline void fake_init(struct fake *fake)
{
	*fake = (struct fake){ .intx = -1, .memfd = memfd_create("fake", MFD_CLOEXEC), .msix = { -1, -1, -1 } };
	assert_int_equal(ftruncate(fake->memfd, FAKE_MEM_BYTES), 0);
	fake->memory = mmap(NULL, FAKE_MEM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fake->memfd, 0);
	assert_ptr_not_equal(fake->memory, MAP_FAILED);
	put(fake->config + PCI_VENDOR_ID, 4, 0x56781234);
	put(fake->config + PCI_STATUS, 2, PCI_STATUS_CAP_LIST);
	put(fake->config + PCI_HEADER_TYPE, 1, 0x80);
	put(fake->config + PCI_BASE_ADDRESS_0 + 4 * FAKE_MEMORY, 4, 0xc);
	put(fake->config + PCI_BASE_ADDRESS_0 + 4 * FAKE_PORTS, 4, 1);
	put(fake->config + PCI_CAPABILITY_LIST, 1, FAKE_MSI_AT);
	put(fake->config + PCI_INTERRUPT_PIN, 1, 1);
	put(fake->config + FAKE_MSI_AT, 2, PCI_CAP_ID_MSI | FAKE_MSIX_AT << 8);
	put(fake->config + FAKE_MSIX_AT, 4, PCI_CAP_ID_MSIX | (FAKE_NR_VECTORS - 1) << 16);
	put(fake->config + FAKE_MSIX_AT + PCI_MSIX_TABLE, 4, FAKE_TABLE | FAKE_MEMORY);
	put(fake->config + FAKE_MSIX_AT + PCI_MSIX_PBA, 4, FAKE_PBA | FAKE_MEMORY);
	fake->sizes[FAKE_REGISTERS] = 4096;
	fake->sizes[FAKE_MEMORY] = FAKE_MEM_BYTES;
	fake->sizes[FAKE_PORTS] = 8;
	fake->sizes[GW_REGION_CONFIG] = 256;
}

static inline void fake_fini(struct fake *fake)
{
	munmap(fake->memory, FAKE_MEM_BYTES);
	close(fake->memfd);
}

struct machine {
	struct guest_memory ram;
	struct kvm_vm vm;
	int vcpu;
	struct board board;
	struct gw_device *devs[2];
	struct gw_device_info infos[2];
	uint32_t nr_devs;
	int console[2];
};

/* A local APIC that is switched on takes what is sent to APIC 0. */
static inline void open_vcpu(struct machine *m)
{
	struct kvm_lapic_state lapic;

	m->vcpu = ioctl(m->vm.vm_fd, KVM_CREATE_VCPU, 0);
	assert_true(m->vcpu >= 0);
	assert_int_equal(ioctl(m->vcpu, KVM_GET_LAPIC, &lapic), 0);
	put((uint8_t *)lapic.regs + LAPIC_SVR, 4, 0x1ff);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_LAPIC, &lapic), 0);
}

static inline void open_vm(struct machine *m)
{
	struct ref_vm_options options;
	struct gw_error e = GW_ERROR_NONE;

	memset(m, 0, sizeof(*m));
	ref_vm_options_init(&options);
	assert_int_equal(guest_memory_open(&m->ram, 16ull << 20, &e), 0);
	if (kvm_vm_open(&m->vm, &m->ram, &options, &e)) {
		guest_memory_close(&m->ram);
		free(m);
		print_message("SKIP: %s\n", e.what);
		skip();
	}
	open_vcpu(m);
	assert_int_equal(pipe2(m->console, O_NONBLOCK | O_CLOEXEC), 0);
}

static inline int open_board(struct machine *m, struct gw_error *e)
{
	struct board_config config = {
		.vm = &m->vm,
		.devices = m->devs,
		.infos = m->infos,
		.nr_devices = m->nr_devs,
		.console_fd = m->console[1],
	};

	return board_open(&m->board, &config, e);
}

static inline struct machine *machine_open(struct fake *fakes, uint32_t nr)
{
	struct machine *m = malloc(sizeof(*m));
	struct gw_error e = GW_ERROR_NONE;

	assert_non_null(m);
	open_vm(m);
	for (m->nr_devs = 0; m->nr_devs < nr; m->nr_devs++)
		assert_int_equal(gw_device_from_ops(&m->devs[m->nr_devs], m->nr_devs ? "dev1" : "dev0", &fake_ops,
						    &fakes[m->nr_devs], &e),
				 0);
	if (open_board(m, &e))
		fail_msg("%s: %s", e.where, e.what);
	return m;
}

static inline void machine_close(struct machine *m)
{
	board_close(&m->board);
	for (uint32_t i = 0; i < m->nr_devs; i++)
		gw_device_close(m->devs[i]);
	close(m->vcpu);
	kvm_vm_close(&m->vm);
	guest_memory_close(&m->ram);
	close(m->console[0]);
	close(m->console[1]);
	free(m);
}

static inline uint32_t in(struct machine *m, uint16_t port, uint32_t width)
{
	uint32_t value = 0;

	bus_read(&m->board.ports, port, &value, width);
	return value;
}

static inline void out(struct machine *m, uint16_t port, uint32_t width, uint32_t value)
{
	bus_write(&m->board.ports, port, &value, width);
}

static inline uint32_t mem_in(struct machine *m, uint64_t gpa, uint32_t width)
{
	uint32_t value = 0;

	bus_read(&m->board.memory, gpa, &value, width);
	return value;
}

static inline void mem_out(struct machine *m, uint64_t gpa, uint32_t width, uint32_t value)
{
	bus_write(&m->board.memory, gpa, &value, width);
}

static inline uint32_t cfg_in(struct machine *m, uint32_t device, uint32_t at, uint32_t width)
{
	out(m, 0xcf8, 4, 1u << 31 | device << 11 | (at & 0xfc));
	return in(m, (uint16_t)(0xcfc + (at & 3)), width);
}

static inline void cfg_out(struct machine *m, uint32_t device, uint32_t at, uint32_t width, uint32_t value)
{
	out(m, 0xcf8, 4, 1u << 31 | device << 11 | (at & 0xfc));
	out(m, (uint16_t)(0xcfc + (at & 3)), width, value);
}

static inline uint64_t bar_at(struct machine *m, uint32_t device, uint32_t bar)
{
	return cfg_in(m, device, PCI_BASE_ADDRESS_0 + 4 * bar, 4) & ~0xfu;
}

/* The guest's driver sets a vector up, unmasked. */
static inline void set_vector(struct machine *m, uint64_t table, uint32_t v, uint32_t control)
{
	mem_out(m, table + 16 * v, 4, MSI_ADDRESS);
	mem_out(m, table + 16 * v + 4, 4, 0);
	mem_out(m, table + 16 * v + 8, 4, VECTOR + v);
	mem_out(m, table + 16 * v + 12, 4, control);
}

static inline int is_raised(struct machine *m, uint32_t vector)
{
	struct kvm_lapic_state lapic;
	uint32_t irr;

	assert_int_equal(ioctl(m->vcpu, KVM_GET_LAPIC, &lapic), 0);
	memcpy(&irr, lapic.regs + LAPIC_IRR + vector / 32 * 16, sizeof(irr));
	return irr >> vector % 32 & 1;
}

/* As if the guest had taken what waits. */
static inline void clear_raised(struct machine *m)
{
	struct kvm_lapic_state lapic;

	assert_int_equal(ioctl(m->vcpu, KVM_GET_LAPIC, &lapic), 0);
	for (int i = 0; i < 8; i++)
		put((uint8_t *)lapic.regs + LAPIC_IRR + 16 * i, 4, 0);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_LAPIC, &lapic), 0);
}

/* KVM takes some interrupts by a worker: it is waited for, 10 s at most. */
#define wait_until(condition)                                 \
	do {                                                  \
		struct timespec ms_ = { .tv_nsec = 1000000 }; \
		int left_ = 10000;                            \
                                                              \
		while (!(condition) && left_--)               \
			nanosleep(&ms_, NULL);                \
		assert_true(condition);                       \
	} while (0)

/* The vector comes, and once: when all that was on its way has arrived, it has not come again. */
static inline void assert_comes_once(struct machine *m, uint32_t vector)
{
	wait_until(is_raised(m, vector));
	clear_raised(m);
	board_hold_interrupts(&m->board);
	assert_false(is_raised(m, vector));
	assert_int_equal(board_release_interrupts(&m->board, NULL), 0);
	board_hold_interrupts(&m->board);
	assert_false(is_raised(m, vector));
	assert_int_equal(board_release_interrupts(&m->board, NULL), 0);
}

static inline void assert_does_not_come(struct machine *m, uint32_t vector)
{
	board_hold_interrupts(&m->board);
	assert_int_equal(board_release_interrupts(&m->board, NULL), 0);
	board_hold_interrupts(&m->board);
	assert_false(is_raised(m, vector));
	assert_int_equal(board_release_interrupts(&m->board, NULL), 0);
}

static inline size_t save(struct machine *m, uint8_t *buf, size_t size)
{
	struct blob_out o = { .buf = buf, .size_bytes = size };

	board_save(&m->board, &o);
	assert_true(o.used_bytes <= size);
	return o.used_bytes;
}

static inline int load(struct machine *m, const uint8_t *buf, size_t size, struct gw_error *e)
{
	struct blob_in i = { .at = buf, .left_bytes = size };
	int ret = board_load(&m->board, &i, e);

	return ret ? ret : blob_ended(&i) ? 0 : -EBADMSG;
}

/* Held, saved and loaded: `to` is what `from` was, and says so in the same bytes. */
static inline void move(struct machine *from, struct machine *to)
{
	struct gw_error e = GW_ERROR_NONE;
	uint8_t state[4096], again[4096];
	size_t size;

	board_hold_interrupts(&from->board);
	size = save(from, state, sizeof(state));
	board_hold_interrupts(&to->board);
	if (load(to, state, size, &e))
		fail_msg("%s: %s", e.where, e.what);
	assert_int_equal(save(to, again, sizeof(again)), size);
	assert_memory_equal(again, state, size);
}

#endif
