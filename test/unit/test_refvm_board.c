/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The board as firmware and drivers use it: enumeration and sizing through the ports, BARs that move, get in each
 * other's way and come back, what is the VM's and what the device's; devices that talk nonsense; its state.
 */
#include "board_rig.h"

#define BAR(n)       (PCI_BASE_ADDRESS_0 + 4 * (n))
#define NR_MUTATIONS 1000

static uint32_t nr_slots(const struct machine *m)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < KVM_VM_MAX_SLOTS / 64; i++)
		nr += (uint32_t)__builtin_popcountll(m->vm.used_slots[i]);
	return nr - m->vm.nr_ram;
}

static void test_enumeration(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	assert_int_equal(cfg_in(m, 0, PCI_VENDOR_ID, 4), 0x12378086);
	assert_int_equal(cfg_in(m, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	assert_int_equal(cfg_in(m, 0, PCI_HEADER_TYPE, 1), 0);
	cfg_out(m, 0, PCI_VENDOR_ID, 4, 0);
	assert_int_equal(cfg_in(m, 0, PCI_VENDOR_ID, 2), 0x8086);
	assert_int_equal(cfg_in(m, 1, PCI_VENDOR_ID, 2), 0x1234);
	assert_int_equal(cfg_in(m, 1, PCI_DEVICE_ID, 2), 0x5678);
	assert_int_equal(cfg_in(m, 1, PCI_DEVICE_ID + 1, 1), 0x56);
	assert_int_equal(cfg_in(m, 1, PCI_HEADER_TYPE, 1), 0); /* one function, whatever the device says */
	for (uint32_t device = 2; device < 32; device++)
		assert_int_equal(cfg_in(m, device, PCI_VENDOR_ID, 4), 0xffffffff);
	out(m, 0xcf8, 4, 1u << 31 | 1 << 11 | 1 << 8); /* function 1 */
	assert_int_equal(in(m, 0xcfc, 4), 0xffffffff);
	out(m, 0xcf8, 4, 1u << 31 | 1 << 16 | 1 << 11); /* bus 1 */
	assert_int_equal(in(m, 0xcfc, 4), 0xffffffff);
	out(m, 0xcf8, 4, 1 << 11); /* not enabled */
	assert_int_equal(in(m, 0xcfc, 4), 0xffffffff);
	machine_close(m);
	fake_fini(&fake);
}

static void test_only_whole_words_are_the_address(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	out(m, 0xcf8, 4, 0x800008ff);
	assert_int_equal(in(m, 0xcf8, 4), 0x800008fc);
	out(m, 0xcf8, 1, 0);
	out(m, 0xcf9, 1, 6);
	out(m, 0xcfa, 2, 0);
	out(m, 0xcfa, 4, 0);
	assert_int_equal(in(m, 0xcf8, 4), 0x800008fc);
	assert_int_equal(in(m, 0xcf8, 2), 0xffff);
	assert_int_equal(in(m, 0xcf9, 1), 0xff);
	machine_close(m);
	fake_fini(&fake);
}

static uint32_t size_of(struct machine *m, uint32_t bar)
{
	uint32_t old = cfg_in(m, 1, BAR(bar), 4), size;

	cfg_out(m, 1, BAR(bar), 4, 0xffffffff);
	size = cfg_in(m, 1, BAR(bar), 4);
	cfg_out(m, 1, BAR(bar), 4, old);
	return size;
}

static void test_sizing(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	put(fake.regions[FAKE_REGISTERS] + 8, 4, 0x600df00d);
	m = machine_open(&fake, 1);
	assert_int_equal(size_of(m, FAKE_REGISTERS), 0xfffff000);
	assert_int_equal(size_of(m, FAKE_MEMORY), ~(FAKE_MEM_BYTES - 1) | 0xc);
	assert_int_equal(size_of(m, FAKE_MEMORY + 1), 0xffffffff);
	assert_int_equal(size_of(m, FAKE_PORTS), 0xfffffff9);
	assert_int_equal(size_of(m, 1), 0);
	assert_int_equal(size_of(m, 5), 0);
	cfg_out(m, 1, PCI_ROM_ADDRESS, 4, 0xffffffff);
	assert_int_equal(cfg_in(m, 1, PCI_ROM_ADDRESS, 4), 0);
	/* It was done with decoding on, and all is there as before. */
	assert_int_equal(mem_in(m, bar_at(m, 1, FAKE_REGISTERS) + 8, 4), 0x600df00d);
	assert_int_equal(fake.config[BAR(0)], 0); /* BARs are not the device's */
	machine_close(m);
	fake_fini(&fake);
}

static void test_the_device_as_firmware_leaves_it(void **state)
{
	struct fake fake;
	struct machine *m;
	uint64_t registers, memory;
	uint16_t ports;

	fake_init(&fake);
	put(fake.regions[FAKE_PORTS] + 4, 4, 0x04030201);
	m = machine_open(&fake, 1);
	registers = bar_at(m, 1, FAKE_REGISTERS);
	memory = bar_at(m, 1, FAKE_MEMORY);
	ports = (uint16_t)(cfg_in(m, 1, BAR(FAKE_PORTS), 4) & ~3u);
	assert_int_equal(registers, BOARD_PCI_BASE);
	assert_in_range(memory, BOARD_PCI_BASE + 4096, BOARD_PCI_END);
	assert_int_equal(ports, BOARD_FIRST_PCI_PORT);
	assert_int_equal(cfg_in(m, 1, PCI_COMMAND, 2), PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_int_equal(fake.config[PCI_COMMAND], PCI_COMMAND_IO | PCI_COMMAND_MEMORY);
	assert_int_equal(cfg_in(m, 1, PCI_INTERRUPT_LINE, 1), BOARD_INTX_GSI(1));
	assert_int_equal(cfg_in(m, 1, PCI_INTERRUPT_PIN, 1), 1);
	mem_out(m, registers + 0x10, 4, 0xabcd);
	assert_int_equal(fake.regions[FAKE_REGISTERS][0x11], 0xab);
	assert_int_equal(in(m, ports + 4, 4), 0x04030201);
	out(m, ports + 5, 1, 0x77);
	assert_int_equal(fake.regions[FAKE_PORTS][5], 0x77);
	assert_int_equal(in(m, ports + 8, 1), 0xff);
	machine_close(m);
	fake_fini(&fake);
}

static void test_what_can_be_mapped_is_guest_memory(void **state)
{
	struct fake fake;
	struct machine *m;
	const struct pci_bar *bar;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	bar = &m->board.devices[0].bars[FAKE_MEMORY];
	assert_int_equal(bar->nr_parts, 2); /* around the page of the MSI-X table */
	assert_int_equal(bar->parts[0].offset, 0);
	assert_int_equal(bar->parts[0].size_bytes, 0x1000);
	assert_int_equal(bar->parts[1].offset, 0x2000);
	assert_int_equal(bar->parts[1].size_bytes, FAKE_MEM_BYTES - 0x2000);
	assert_int_equal(nr_slots(m), 2);
	fake.memory[0x2003] = 0x5a;
	assert_int_equal(((const uint8_t *)bar->parts[1].hva)[3], 0x5a);
	assert_int_equal(mem_in(m, bar_at(m, 1, FAKE_MEMORY) + 0x2003, 1), 0x5a); /* trapped, were it not mapped */
	cfg_out(m, 1, PCI_COMMAND, 2, PCI_COMMAND_IO);
	assert_int_equal(nr_slots(m), 0);
	assert_int_equal(mem_in(m, bar_at(m, 1, FAKE_MEMORY) + 0x2003, 1), 0xff);
	cfg_out(m, 1, PCI_COMMAND, 1, PCI_COMMAND_MEMORY);
	assert_int_equal(nr_slots(m), 2);
	assert_int_equal(mem_in(m, bar_at(m, 1, FAKE_MEMORY) + 0x2003, 1), 0x5a);
	assert_int_equal(in(m, BOARD_FIRST_PCI_PORT, 1), 0xff); /* ports were switched off with that */
	machine_close(m);
	fake_fini(&fake);
}

static void test_bars_move(void **state)
{
	const uint64_t there = 0x200000000, port = 0x5008;
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	fake.memory[0x2003] = 0x5a;
	fake.regions[FAKE_PORTS][0] = 0x33;
	cfg_out(m, 1, BAR(FAKE_MEMORY), 4, (uint32_t)there);
	cfg_out(m, 1, BAR(FAKE_MEMORY + 1), 4, there >> 32);
	assert_int_equal(mem_in(m, there + 0x2003, 1), 0x5a);
	assert_int_equal(mem_in(m, BOARD_PCI_BASE + FAKE_MEM_BYTES + 0x2003, 1), 0xff);
	assert_int_equal(nr_slots(m), 2);
	cfg_out(m, 1, BAR(FAKE_PORTS), 4, port);
	assert_int_equal(in(m, port, 1), 0x33);
	assert_int_equal(in(m, BOARD_FIRST_PCI_PORT, 1), 0xff);
	machine_close(m);
	fake_fini(&fake);
}

/* Not over RAM, a chip, a port of the PC's or each other; and back as soon as they can be. */
static void test_bars_in_each_others_way(void **state)
{
	static const uint32_t wrong[] = { 0, 0x100000, 0xfec00000, 0xfee00000, 0xfffff000, 0xa0000 };
	struct fake fakes[2];
	struct machine *m;
	uint64_t memory;

	fake_init(&fakes[0]);
	fake_init(&fakes[1]);
	m = machine_open(fakes, 2);
	memory = bar_at(m, 1, FAKE_MEMORY);
	put(fakes[0].memory + 0x2000, 4, 0x1111);
	put(fakes[1].regions[FAKE_REGISTERS], 4, 0x2222);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		cfg_out(m, 2, BAR(FAKE_REGISTERS), 4, wrong[i]);
		assert_false(m->board.devices[1].bars[FAKE_REGISTERS].shown);
		assert_int_equal(mem_in(m, wrong[i], 4), 0xffffffff);
	}
	m->vm.ram[m->vm.nr_ram++] = (struct gw_kvm_slot){ .gpa = 4ull << 32, .size_bytes = 1ull << 32 };
	cfg_out(m, 2, BAR(FAKE_MEMORY + 1), 4, 4);
	assert_false(m->board.devices[1].bars[FAKE_MEMORY].shown);
	cfg_out(m, 2, BAR(FAKE_MEMORY + 1), 4, 5);
	assert_true(m->board.devices[1].bars[FAKE_MEMORY].shown);
	m->vm.nr_ram--;
	cfg_out(m, 2, BAR(FAKE_REGISTERS), 4, (uint32_t)memory + 0x2000);
	assert_int_equal(mem_in(m, memory + 0x2000, 4), 0x1111);
	assert_int_equal(nr_slots(m), 4);
	cfg_out(m, 1, BAR(FAKE_MEMORY + 1), 4, 2); /* the first one goes away */
	assert_int_equal(mem_in(m, memory + 0x2000, 4), 0x2222);
	assert_int_equal(mem_in(m, (2ull << 32) + memory + 0x2000, 4), 0x1111);
	cfg_out(m, 2, BAR(FAKE_PORTS), 4, 0xcf8);
	assert_false(m->board.devices[1].bars[FAKE_PORTS].shown);
	assert_int_equal(cfg_in(m, 2, PCI_VENDOR_ID, 2), 0x1234);
	machine_close(m);
	fake_fini(&fakes[0]);
	fake_fini(&fakes[1]);
}

static void test_what_is_the_devices_own(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	assert_int_equal(cfg_in(m, 1, PCI_CAPABILITY_LIST, 1), FAKE_MSIX_AT); /* MSI is passed by */
	assert_int_equal(cfg_in(m, 1, FAKE_MSIX_AT, 4), PCI_CAP_ID_MSIX | (FAKE_NR_VECTORS - 1) << 16);
	cfg_out(m, 1, FAKE_STATUS_AT + 1, 1, 0x42);
	cfg_out(m, 1, FAKE_STATUS_AT + 2, 2, 0x1234);
	assert_int_equal(cfg_in(m, 1, FAKE_STATUS_AT, 4), 0x12344200);
	cfg_out(m, 1, PCI_INTERRUPT_LINE, 4, 0xffffff0b); /* one byte is the VM's, three the device's */
	assert_int_equal(cfg_in(m, 1, PCI_INTERRUPT_LINE, 2), 0x010b);
	assert_int_equal(fake.config[PCI_INTERRUPT_LINE], 0);
	assert_int_equal(fake.config[PCI_INTERRUPT_LINE + 2], 0xff);
	cfg_out(m, 1, PCI_COMMAND, 4, 0xff00ffff);
	assert_int_equal(cfg_in(m, 1, PCI_COMMAND, 2), PCI_COMMAND_BITS);
	assert_memory_equal(fake.config + PCI_COMMAND, &(uint16_t){ PCI_COMMAND_BITS }, 2);
	machine_close(m);
	fake_fini(&fake);
}

static void test_a_device_that_fails_reads_as_ones(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	fake.failing = 1;
	assert_int_equal(mem_in(m, BOARD_PCI_BASE, 4), 0xffffffff);
	mem_out(m, BOARD_PCI_BASE, 4, 0);
	assert_int_equal(cfg_in(m, 1, FAKE_STATUS_AT, 4), 0xffffffff);
	assert_int_equal(m->board.devices[0].nr_failed, 3);
	machine_close(m);
	fake_fini(&fake);
}

static void test_a_region_of_an_odd_size(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	fake.sizes[FAKE_REGISTERS] = 3000;
	m = machine_open(&fake, 1);
	assert_int_equal(size_of(m, FAKE_REGISTERS), 0xfffff000);
	assert_int_equal(mem_in(m, BOARD_PCI_BASE + 2996, 4), 0);
	assert_int_equal(mem_in(m, BOARD_PCI_BASE + 2998, 4), 0xffffffff);
	assert_int_equal(mem_in(m, BOARD_PCI_BASE + 3000, 4), 0xffffffff);
	mem_out(m, BOARD_PCI_BASE + 3000, 4, 0); /* the device would not stand it */
	machine_close(m);
	fake_fini(&fake);
}

static void test_the_debug_port(void **state)
{
	struct fake fake;
	struct machine *m;
	char text[8] = "";

	fake_init(&fake);
	m = machine_open(&fake, 0);
	assert_int_equal(in(m, BOARD_PORT_DEBUG, 1), 0xe9);
	for (const char *c = "hello"; *c; c++)
		out(m, BOARD_PORT_DEBUG, 1, (uint8_t)*c);
	assert_int_equal(read(m->console[0], text, sizeof(text)), 5);
	assert_string_equal(text, "hello");
	machine_close(m);
	fake_fini(&fake);
}

/* Its fd may well block: the byte is lost, and the vCPU is not kept from a pause. */
static void test_a_debug_port_that_nobody_reads(void **state)
{
	uint8_t page[4096] = { 0 };
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 0);
	while (write(m->console[1], page, sizeof(page)) > 0)
		;
	assert_int_equal(fcntl(m->console[1], F_SETFL, 0), 0);
	alarm(60); /* a test that hangs has failed */
	out(m, BOARD_PORT_DEBUG, 1, 'x');
	alarm(0);
	assert_int_equal(read(m->console[0], page, sizeof(page)), sizeof(page));
	out(m, BOARD_PORT_DEBUG, 1, 'y');
	while (read(m->console[0], page, sizeof(page)) == sizeof(page))
		;
	assert_int_equal(page[0], 'y');
	machine_close(m);
	fake_fini(&fake);
}

static void as_bridge(struct fake *fake)
{
	fake->config[PCI_HEADER_TYPE] = 1;
}

static void without_config(struct fake *fake)
{
	fake->sizes[GW_REGION_CONFIG] = 0;
}

static void table_outside(struct fake *fake)
{
	put(fake->config + FAKE_MSIX_AT + PCI_MSIX_TABLE, 4, (FAKE_MEM_BYTES - 16) | FAKE_MEMORY);
}

static void table_nowhere(struct fake *fake)
{
	put(fake->config + FAKE_MSIX_AT + PCI_MSIX_PBA, 4, 7);
}

static void huge(struct fake *fake)
{
	fake->sizes[FAKE_MEMORY] = 1ull << 60;
}

static void too_large(struct fake *fake)
{
	fake->sizes[FAKE_REGISTERS] = 1ull << 31;
}

static void too_many_ports(struct fake *fake)
{
	fake->sizes[FAKE_PORTS] = 0x8000;
}

static void cannot_be_read(struct fake *fake)
{
	fake->failing = 1;
}

static void test_devices_that_are_refused(void **state)
{
	static const struct {
		void (*spoil)(struct fake *fake);
		int ret;
	} rows[] = {
		{ as_bridge, -ENOTSUP },
		{ without_config, -ENOTSUP },
		{ table_outside, -EINVAL },
		{ table_nowhere, -EINVAL },
		{ huge, -EFBIG },
		{ too_large, -ENOSPC },
		{ too_many_ports, -ENOSPC },
		{ cannot_be_read, -EIO },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct fake fake;
		struct machine *m;

		fake_init(&fake);
		m = machine_open(&fake, 1);
		board_close(&m->board);
		board_close(&m->board); /* twice is fine */
		rows[i].spoil(&fake);
		assert_int_equal(open_board(m, &e), rows[i].ret);
		assert_string_equal(e.where, "dev0");
		assert_int_equal(nr_slots(m), 0);
		assert_int_equal(fake.intx, -1);
		machine_close(m);
		fake_fini(&fake);
	}
}

static void test_capabilities_without_end(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	put(fake.config + FAKE_MSI_AT, 2, PCI_CAP_ID_MSI | FAKE_MSI_AT << 8);
	m = machine_open(&fake, 1);
	assert_int_equal(m->board.devices[0].msix.nr_vectors, 0);
	machine_close(m);
	put(fake.config + FAKE_MSI_AT, 2, PCI_CAP_ID_PM | 0xfc << 8);
	put(fake.config + 0xfc, 4, PCI_CAP_ID_MSIX); /* leaves the space */
	m = machine_open(&fake, 1);
	assert_int_equal(m->board.devices[0].msix.nr_vectors, 0);
	machine_close(m);
	fake_fini(&fake);
}

/* The guest has moved and changed everything there is. */
static struct machine *changed_machine(struct fake *fakes)
{
	struct machine *m = machine_open(fakes, 2);

	cfg_out(m, 1, BAR(FAKE_MEMORY + 1), 4, 2);
	cfg_out(m, 2, BAR(FAKE_REGISTERS), 4, 0xd0000000);
	cfg_out(m, 2, BAR(FAKE_PORTS), 4, 0x5000);
	cfg_out(m, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	cfg_out(m, 1, PCI_INTERRUPT_LINE, 1, 7);
	set_vector(m, (2ull << 32) + bar_at(m, 1, FAKE_MEMORY) + FAKE_TABLE, 0, 0);
	cfg_out(m, 1, FAKE_MSIX_AT + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	return m;
}

static void test_all_of_it_moves(void **state)
{
	struct fake fakes[2], others[2];
	struct machine *from, *to;

	for (int i = 0; i < 2; i++) {
		fake_init(&fakes[i]);
		fake_init(&others[i]);
	}
	from = changed_machine(fakes);
	to = machine_open(others, 2);
	put(others[1].regions[FAKE_REGISTERS], 4, 0x2222);
	move(from, to);
	assert_int_equal(in(to, 0xcf8, 4), in(from, 0xcf8, 4));
	for (uint32_t device = 1; device <= 2; device++)
		for (uint32_t at = 0; at < FAKE_STATUS_AT; at += 4)
			if (at != PCI_COMMAND || device == 1)
				assert_int_equal(cfg_in(to, device, at, 4), cfg_in(from, device, at, 4));
	assert_int_equal(mem_in(to, 0xd0000000, 4), 0x2222);
	assert_int_equal(others[0].config[PCI_COMMAND], PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(others[0].msix[0] >= 0);
	assert_int_equal(others[0].intx, -1);
	machine_close(from);
	machine_close(to);
	for (int i = 0; i < 2; i++) {
		fake_fini(&fakes[i]);
		fake_fini(&others[i]);
	}
}

static void test_a_state_that_is_cut_off_is_refused(void **state)
{
	struct fake fakes[2], others[2];
	struct machine *from, *to;
	uint8_t blob[4096];
	size_t size;

	for (int i = 0; i < 2; i++) {
		fake_init(&fakes[i]);
		fake_init(&others[i]);
	}
	from = changed_machine(fakes);
	to = machine_open(others, 2);
	board_hold_interrupts(&from->board);
	size = save(from, blob, sizeof(blob));
	for (size_t cut = 0; cut < size; cut++) {
		struct gw_error e = GW_ERROR_NONE;
		uint8_t *exact = malloc(cut + 1); /* ASan sees a read beyond */

		memcpy(exact, blob, cut);
		assert_int_equal(load(to, exact, cut, &e), -EBADMSG);
		assert_int_equal(e.code, -EBADMSG);
		free(exact);
	}
	assert_int_equal(load(to, blob, size, NULL), 0);
	blob[size] = 0;
	assert_int_equal(load(to, blob, size + 1, NULL), -EBADMSG);
	machine_close(from);
	to->board.nr_devices = 1; /* another VM */
	assert_int_equal(load(to, blob, size, NULL), -EBADMSG);
	to->board.nr_devices = 2;
	machine_close(to);
	for (int i = 0; i < 2; i++) {
		fake_fini(&fakes[i]);
		fake_fini(&others[i]);
	}
}

static void test_a_state_of_another_device_is_refused(void **state)
{
	struct fake fake, other;
	struct machine *from, *to;
	uint8_t blob[4096];
	size_t size;

	fake_init(&fake);
	fake_init(&other);
	put(other.config + BAR(FAKE_PORTS), 4, 0); /* memory */
	from = machine_open(&fake, 1);
	to = machine_open(&other, 1);
	board_hold_interrupts(&from->board);
	size = save(from, blob, sizeof(blob));
	assert_int_equal(load(to, blob, size, NULL), -EBADMSG);
	machine_close(from);
	machine_close(to);
	fake_fini(&fake);
	fake_fini(&other);
}

static size_t skip_part(const uint8_t *blob, size_t at)
{
	uint32_t size;

	memcpy(&size, blob + at, sizeof(size));
	return at + sizeof(size) + size;
}

static void test_a_device_with_more_than_is_known_is_refused(void **state)
{
	struct fake fake;
	struct machine *m;
	uint8_t blob[4096];
	size_t size, at;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	board_hold_interrupts(&m->board);
	size = save(m, blob, sizeof(blob));
	at = skip_part(blob, skip_part(blob, 0)) + sizeof(uint32_t); /* bridge, console, how many devices */
	assert_int_equal(skip_part(blob, at), size);
	put(blob + at, 4, (uint32_t)(size - at));
	put(blob + size, 4, 0);
	assert_int_equal(load(m, blob, size + 4, NULL), -EBADMSG);
	machine_close(m);
	fake_fini(&fake);
}

/* Whatever a state says: what is loaded of it never maps what is not a place for a BAR, and is saved again as it was.
 */
static void test_a_state_of_nonsense(void **state)
{
	struct fake fakes[2];
	struct machine *m;
	uint8_t blob[4096], spoilt[4096], again[4096];
	uint64_t random = 4711;
	uint32_t nr_loaded = 0;
	size_t size;

	fake_init(&fakes[0]);
	fake_init(&fakes[1]);
	m = changed_machine(fakes);
	board_hold_interrupts(&m->board);
	size = save(m, blob, sizeof(blob));
	for (int i = 0; i < NR_MUTATIONS; i++) {
		memcpy(spoilt, blob, size);
		for (int k = 0; k <= i % 3; k++) {
			random = random * 6364136223846793005ull + 1442695040888963407ull;
			spoilt[(random >> 33) % size] ^= (uint8_t)(1u << (random >> 20) % 8);
		}
		if (!load(m, spoilt, size, NULL)) {
			nr_loaded++;
			assert_int_equal(save(m, again, sizeof(again)), size);
			assert_memory_equal(again, spoilt, size);
		}
		for (uint32_t r = 0; r < m->board.memory.nr; r++)
			assert_true(m->board.memory.ranges[r].base >= BOARD_PCI_BASE);
	}
	assert_in_range(nr_loaded, 1, NR_MUTATIONS - 1);
	assert_int_equal(load(m, blob, size, NULL), 0);
	assert_int_equal(save(m, spoilt, sizeof(spoilt)), size);
	assert_memory_equal(blob, spoilt, size);
	machine_close(m);
	fake_fini(&fakes[0]);
	fake_fini(&fakes[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_enumeration),
		cmocka_unit_test(test_only_whole_words_are_the_address),
		cmocka_unit_test(test_sizing),
		cmocka_unit_test(test_the_device_as_firmware_leaves_it),
		cmocka_unit_test(test_what_can_be_mapped_is_guest_memory),
		cmocka_unit_test(test_bars_move),
		cmocka_unit_test(test_bars_in_each_others_way),
		cmocka_unit_test(test_what_is_the_devices_own),
		cmocka_unit_test(test_a_device_that_fails_reads_as_ones),
		cmocka_unit_test(test_a_region_of_an_odd_size),
		cmocka_unit_test(test_the_debug_port),
		cmocka_unit_test(test_a_debug_port_that_nobody_reads),
		cmocka_unit_test(test_devices_that_are_refused),
		cmocka_unit_test(test_capabilities_without_end),
		cmocka_unit_test(test_all_of_it_moves),
		cmocka_unit_test(test_a_state_that_is_cut_off_is_refused),
		cmocka_unit_test(test_a_state_of_another_device_is_refused),
		cmocka_unit_test(test_a_device_with_more_than_is_known_is_refused),
		cmocka_unit_test(test_a_state_of_nonsense),
	};

	return cmocka_run_group_tests_name("refvm_board", tests, NULL, NULL);
}
