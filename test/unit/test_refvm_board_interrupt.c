/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Interrupts from a device to the kernel's controllers: vectors that are let through, masked, and moved with something
 * waiting at them, INTx that is asserted while it moves. Each comes, and comes once.
 */
#include "board_rig.h"

#include <signal.h>
#include <stdbool.h>

#define IOAPIC_REMOTE_IRR (1u << 14)

static uint64_t table_of(struct machine *m)
{
	return bar_at(m, 1, FAKE_MEMORY) + FAKE_TABLE;
}

static uint32_t pending_of(struct machine *m)
{
	return mem_in(m, bar_at(m, 1, FAKE_MEMORY) + FAKE_PBA, 4);
}

static void set_control(struct machine *m, uint32_t control)
{
	cfg_out(m, 1, FAKE_MSIX_AT + PCI_MSIX_FLAGS, 2, control);
}

/* As Linux does it: enabled with all masked, then vectors, then on. */
static struct machine *machine_with_vectors(struct fake *fake)
{
	struct machine *m = machine_open(fake, 1);

	set_control(m, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	for (uint32_t v = 0; v < FAKE_NR_VECTORS; v++)
		set_vector(m, table_of(m), v, 0);
	set_control(m, PCI_MSIX_FLAGS_ENABLE);
	return m;
}

static void signal_vector(struct fake *fake, uint32_t v)
{
	assert_true(fake->msix[v] >= 0);
	assert_int_equal(eventfd_write(fake->msix[v], 1), 0);
}

static void test_a_vector_comes(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_with_vectors(&fake);
	for (uint32_t v = 0; v < FAKE_NR_VECTORS; v++) {
		signal_vector(&fake, v);
		assert_comes_once(m, VECTOR + v);
	}
	assert_int_equal(fake.nr_binds, 3); /* INTx, none, MSI-X */
	machine_close(m);
	assert_int_equal(fake.msix[0], -1);
	fake_fini(&fake);
}

static void test_a_table_keeps_what_was_written(void **state)
{
	struct fake fake;
	struct machine *m;
	uint64_t table, wide = 0x1122334455667788;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	table = table_of(m);
	assert_int_equal(mem_in(m, table + 12, 4), PCI_MSIX_ENTRY_CTRL_MASKBIT);
	bus_write(&m->board.memory, table + 16, &wide, 8);
	assert_int_equal(mem_in(m, table + 16, 4), 0x55667788);
	assert_int_equal(mem_in(m, table + 20, 4), 0x11223344);
	mem_out(m, table - 2, 4, 0); /* half in it */
	mem_out(m, table + 14, 4, 0);
	assert_int_equal(mem_in(m, table + 16, 4), 0x55667788);
	assert_int_equal(mem_in(m, table - 2, 4), 0xffffffff);
	mem_out(m, bar_at(m, 1, FAKE_MEMORY) + FAKE_PBA, 4, 0xff);
	assert_int_equal(pending_of(m), 0);
	/* The rest of the page is the device's. */
	mem_out(m, table + 16 * FAKE_NR_VECTORS, 4, 0x4711);
	assert_int_equal(fake.memory[FAKE_TABLE + 16 * FAKE_NR_VECTORS], 0x11);
	assert_int_equal(fake.memory[FAKE_TABLE + 16], 0);
	machine_close(m);
	fake_fini(&fake);
}

static void test_a_masked_vector_waits(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_with_vectors(&fake);
	mem_out(m, table_of(m) + 16 + 12, 4, 1);
	signal_vector(&fake, 1);
	signal_vector(&fake, 1);
	assert_does_not_come(m, VECTOR + 1);
	assert_int_equal(pending_of(m), 1 << 1);
	mem_out(m, table_of(m) + 16 + 12, 4, 0);
	assert_int_equal(pending_of(m), 0);
	assert_comes_once(m, VECTOR + 1);
	set_control(m, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	signal_vector(&fake, 2);
	assert_does_not_come(m, VECTOR + 2);
	assert_int_equal(pending_of(m), 1 << 2);
	set_control(m, PCI_MSIX_FLAGS_ENABLE);
	assert_comes_once(m, VECTOR + 2);
	set_control(m, 0);
	assert_int_equal(fake.msix[2], -1);
	assert_true(fake.intx >= 0);
	machine_close(m);
	fake_fini(&fake);
}

static void test_a_vector_that_is_set_anew(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_with_vectors(&fake);
	mem_out(m, table_of(m) + 8, 4, 0x99); /* not masked meanwhile: drivers of old do that */
	signal_vector(&fake, 0);
	assert_does_not_come(m, VECTOR);
	assert_comes_once(m, 0x99);
	machine_close(m);
	fake_fini(&fake);
}

/* It goes nowhere, and the other vectors are none the worse for it. */
static void test_an_address_of_nonsense(void **state)
{
	struct fake fake, other;
	struct machine *m, *to;

	fake_init(&fake);
	fake_init(&other);
	m = machine_with_vectors(&fake);
	mem_out(m, table_of(m), 4, 0x12300000);
	mem_out(m, table_of(m) + 4, 4, 1);
	signal_vector(&fake, 0);
	assert_does_not_come(m, VECTOR);
	mem_out(m, table_of(m) + 16 + 8, 4, 0x99);
	signal_vector(&fake, 1);
	assert_comes_once(m, 0x99);
	assert_int_equal(m->board.devices[0].nr_failed, 0);
	to = machine_open(&other, 1);
	move(m, to);
	assert_int_equal(board_release_interrupts(&to->board, NULL), 0);
	signal_vector(&other, 1);
	assert_comes_once(to, 0x99);
	machine_close(m);
	machine_close(to);
	fake_fini(&fake);
	fake_fini(&other);
}

static void test_what_comes_while_held_waits(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_with_vectors(&fake);
	board_hold_interrupts(&m->board);
	board_hold_interrupts(&m->board);
	signal_vector(&fake, 0);
	assert_false(is_raised(m, VECTOR));
	assert_int_equal(board_release_interrupts(&m->board, NULL), 0);
	assert_int_equal(board_release_interrupts(&m->board, NULL), 0);
	assert_comes_once(m, VECTOR);
	machine_close(m);
	fake_fini(&fake);
}

/* A move: each machine has a device of its own. */
struct pair {
	struct fake fake, other;
	struct machine *from, *to;
};

static void pair_open(struct pair *p, bool has_vectors)
{
	fake_init(&p->fake);
	fake_init(&p->other);
	p->from = has_vectors ? machine_with_vectors(&p->fake) : machine_open(&p->fake, 1);
	p->to = machine_open(&p->other, 1);
}

static void pair_close(struct pair *p)
{
	machine_close(p->from);
	machine_close(p->to);
	fake_fini(&p->fake);
	fake_fini(&p->other);
}

/* Vector 0 waits since it was held, 1 is masked and waits, 2 has nothing. */
static void test_vectors_move(void **state)
{
	struct pair p;

	pair_open(&p, true);
	mem_out(p.from, table_of(p.from) + 16 + 12, 4, 1);
	signal_vector(&p.fake, 1);
	board_hold_interrupts(&p.from->board);
	signal_vector(&p.fake, 0);
	move(p.from, p.to);
	for (uint32_t v = 0; v < FAKE_NR_VECTORS; v++)
		assert_false(is_raised(p.to, VECTOR + v)); /* not before release */
	assert_int_equal(board_release_interrupts(&p.to->board, NULL), 0);
	assert_comes_once(p.to, VECTOR);
	assert_does_not_come(p.to, VECTOR + 1);
	assert_int_equal(pending_of(p.to), 1 << 1);
	assert_does_not_come(p.to, VECTOR + 2);
	mem_out(p.to, table_of(p.to) + 16 + 12, 4, 0);
	assert_comes_once(p.to, VECTOR + 1);
	signal_vector(&p.other, 2);
	assert_comes_once(p.to, VECTOR + 2);

	/* The move is given up: what waited comes at the source, once as well. */
	assert_int_equal(board_release_interrupts(&p.from->board, NULL), 0);
	assert_comes_once(p.from, VECTOR);
	mem_out(p.from, table_of(p.from) + 16 + 12, 4, 0);
	assert_comes_once(p.from, VECTOR + 1);
	assert_does_not_come(p.from, VECTOR + 2);
	pair_close(&p);
}

/* An interrupt that KVM has when it is held is in its controllers, and is not the board's any more. */
static void test_what_kvm_has_does_not_move_with_the_board(void **state)
{
	struct pair p;

	pair_open(&p, true);
	signal_vector(&p.fake, 0);
	board_hold_interrupts(&p.from->board);
	assert_true(is_raised(p.from, VECTOR)); /* whatever its way in KVM was */
	move(p.from, p.to);
	assert_int_equal(board_release_interrupts(&p.to->board, NULL), 0);
	assert_does_not_come(p.to, VECTOR);
	pair_close(&p);
}

static struct kvm_ioapic_state ioapic_of(struct machine *m)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	assert_int_equal(ioctl(m->vm.vm_fd, KVM_GET_IRQCHIP, &chip), 0);
	return chip.chip.ioapic;
}

/* The guest has its pin of the IOAPIC: level, to APIC 0. remote_irr: it is serving it. */
static void set_pin(struct machine *m, uint32_t vector, int remote_irr)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	chip.chip.ioapic = ioapic_of(m);
	chip.chip.ioapic.redirtbl[BOARD_INTX_GSI(1)].bits = vector | 1u << 15 | (remote_irr ? IOAPIC_REMOTE_IRR : 0);
	assert_int_equal(ioctl(m->vm.vm_fd, KVM_SET_IRQCHIP, &chip), 0);
}

static void assert_intx(struct fake *fake)
{
	assert_true(fake->intx >= 0);
	assert_int_equal(eventfd_write(fake->intx, 1), 0);
}

static int is_asserted(struct machine *m)
{
	return ioapic_of(m).irr >> BOARD_INTX_GSI(1) & 1;
}

static void test_intx_comes(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	set_pin(m, VECTOR, 0);
	assert_intx(&fake);
	wait_until(is_raised(m, VECTOR));
	assert_true(is_asserted(m));
	assert_int_equal(fake.nr_unmasks, 0);
	/* The guest looks to its device with the interrupt switched off. */
	cfg_out(m, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_INTX_DISABLE);
	assert_int_equal(fake.intx, -1);
	assert_false(is_asserted(m));
	cfg_out(m, 1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	assert_true(fake.intx >= 0);
	assert_false(is_asserted(m));
	machine_close(m);
	assert_int_equal(fake.intx, -1);
	fake_fini(&fake);
}

/* What KVM does when the guest writes EOI: it tells us by the eventfd. */
static void end_intx(struct machine *m)
{
	assert_int_equal(eventfd_write(m->board.devices[0].intx.ended_fd, 1), 0);
}

static void test_intx_is_unmasked_when_it_was_ended(void **state)
{
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	set_pin(m, VECTOR, 0);
	for (uint32_t i = 0; i < 20; i++) {
		assert_intx(&fake);
		wait_until(is_raised(m, VECTOR));
		clear_raised(m);
		board_hold_interrupts(&m->board); /* takes the level down, as KVM does at EOI */
		end_intx(m);
		set_pin(m, VECTOR, 0);
		assert_int_equal(board_release_interrupts(&m->board, NULL), 0);
		wait_until(fake.nr_unmasks > i);
	}
	machine_close(m);
	fake_fini(&fake);
}

/* A guest of 32 bits that waits for an interrupt; its handler ends it and says so at the debug port. */
#define GDT_GPA     0x1000u
#define IDT_GPA     0x2000u
#define CODE_GPA    0x3000u
#define HANDLER_GPA 0x3100u
#define STACK_GPA   0x5000u

static const uint8_t waits[] = {
	0xfb,       /* sti */
	0xeb, 0xfe, /* jmp to itself */
};
static const uint8_t handler[] = {
	0xc7, 0x05,
	0xb0, 0x00,
	0xe0, 0xfe,
	0,    0,
	0,    0,                /* mov dword [0xfee000b0], 0: EOI */
	0xe6, BOARD_PORT_DEBUG, /* out BOARD_PORT_DEBUG, al */
	0xfb,                   /* sti: a KVM that only emulates knows no iret here */
	0xeb, 0xfe,             /* jmp to itself */
};

static void set_up_guest(struct machine *m)
{
	static const uint64_t gdt[] = { 0, 0x00cf9b000000ffff, 0x00cf93000000ffff };
	struct kvm_segment code = { .limit = ~0u, .selector = 8, .present = 1, .db = 1, .s = 1, .g = 1, .type = 11 };
	struct kvm_segment data = code;
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2, .rsp = STACK_GPA };
	struct kvm_sregs sregs;

	data.selector = 16;
	data.type = 3;
	memcpy(m->ram.hva + GDT_GPA, gdt, sizeof(gdt));
	put(m->ram.hva + IDT_GPA + 8 * VECTOR, 4, 8 << 16 | HANDLER_GPA);
	put(m->ram.hva + IDT_GPA + 8 * VECTOR + 4, 4, 0x8e00);
	memcpy(m->ram.hva + CODE_GPA, waits, sizeof(waits));
	memcpy(m->ram.hva + HANDLER_GPA, handler, sizeof(handler));
	assert_int_equal(ioctl(m->vcpu, KVM_GET_SREGS, &sregs), 0);
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = data;
	sregs.gdt = (struct kvm_dtable){ .base = GDT_GPA, .limit = sizeof(gdt) - 1 };
	sregs.idt = (struct kvm_dtable){ .base = IDT_GPA, .limit = 0x7ff };
	sregs.cr0 |= 1;
	assert_int_equal(ioctl(m->vcpu, KVM_SET_SREGS, &sregs), 0);
	assert_int_equal(ioctl(m->vcpu, KVM_SET_REGS, &regs), 0);
}

static void on_alarm(int number)
{
}

/* KVM's own word that the guest has ended it, and the next one after it. */
static void test_a_guest_ends_intx(void **state)
{
	struct sigaction action = { .sa_handler = on_alarm };
	struct kvm_run *run;
	struct fake fake;
	struct machine *m;

	fake_init(&fake);
	m = machine_open(&fake, 1);
	set_pin(m, VECTOR, 0);
	set_up_guest(m);
	run = mmap(NULL, m->vm.run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	assert_ptr_not_equal(run, MAP_FAILED);
	sigaction(SIGALRM, &action, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(fake.nr_unmasks, i);
		assert_intx(&fake);
		alarm(10);
		assert_int_equal(ioctl(m->vcpu, KVM_RUN, 0), 0);
		alarm(0);
		assert_int_equal(run->exit_reason, KVM_EXIT_IO);
		assert_int_equal(run->io.port, BOARD_PORT_DEBUG);
		wait_until(fake.nr_unmasks == i + 1);
		assert_false(is_asserted(m));
	}
	munmap(run, m->vm.run_bytes);
	machine_close(m);
	fake_fini(&fake);
}

/* The source's guest has got its INTx, and has not served it. */
static void pair_open_raised(struct pair *p)
{
	pair_open(p, false);
	set_pin(p->from, VECTOR, 0);
	assert_intx(&p->fake);
	wait_until(is_raised(p->from, VECTOR));
}

static void test_intx_moves(void **state)
{
	struct pair p;

	pair_open_raised(&p);
	set_pin(p.to, VECTOR, 0);
	move(p.from, p.to);
	assert_false(is_asserted(p.from));
	assert_false(is_raised(p.to, VECTOR));
	assert_int_equal(board_release_interrupts(&p.to->board, NULL), 0);
	wait_until(is_raised(p.to, VECTOR));
	assert_int_equal(p.other.nr_unmasks, 0);
	end_intx(p.to);
	wait_until(p.other.nr_unmasks == 1);

	/* And at the source, when the move is given up. */
	clear_raised(p.from);
	set_pin(p.from, VECTOR, 0);
	assert_int_equal(board_release_interrupts(&p.from->board, NULL), 0);
	wait_until(is_raised(p.from, VECTOR));
	pair_close(&p);
}

/* The guest was serving it when it moved: the same interrupt, no second one. */
static void test_intx_that_is_being_served_moves(void **state)
{
	struct pair p;

	pair_open_raised(&p);
	move(p.from, p.to);
	set_pin(p.to, VECTOR, 1);
	assert_int_equal(board_release_interrupts(&p.to->board, NULL), 0);
	wait_until(is_asserted(p.to));
	assert_false(is_raised(p.to, VECTOR));
	pair_close(&p);
}

/* The device has raised it, and nobody has passed it on yet. */
static void test_intx_that_is_held_moves(void **state)
{
	struct pair p;

	pair_open(&p, false);
	set_pin(p.to, VECTOR, 0);
	board_hold_interrupts(&p.from->board);
	assert_intx(&p.fake);
	move(p.from, p.to);
	assert_int_equal(board_release_interrupts(&p.to->board, NULL), 0);
	wait_until(is_raised(p.to, VECTOR));
	pair_close(&p);
}

static void test_intx_that_was_not_asserted_moves(void **state)
{
	struct pair p;

	pair_open_raised(&p);
	set_pin(p.to, VECTOR, 0);
	board_hold_interrupts(&p.from->board);
	end_intx(p.from); /* the guest was done just before, and the thread has not seen it */
	move(p.from, p.to);
	assert_int_equal(board_release_interrupts(&p.to->board, NULL), 0);
	assert_does_not_come(p.to, VECTOR);
	assert_true(p.other.nr_unmasks > 0); /* its device may be masked: it is fresh */
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_vector_comes),
		cmocka_unit_test(test_a_table_keeps_what_was_written),
		cmocka_unit_test(test_a_masked_vector_waits),
		cmocka_unit_test(test_a_vector_that_is_set_anew),
		cmocka_unit_test(test_an_address_of_nonsense),
		cmocka_unit_test(test_what_comes_while_held_waits),
		cmocka_unit_test(test_vectors_move),
		cmocka_unit_test(test_what_kvm_has_does_not_move_with_the_board),
		cmocka_unit_test(test_intx_comes),
		cmocka_unit_test(test_intx_is_unmasked_when_it_was_ended),
		cmocka_unit_test(test_a_guest_ends_intx),
		cmocka_unit_test(test_intx_moves),
		cmocka_unit_test(test_intx_that_is_being_served_moves),
		cmocka_unit_test(test_intx_that_is_held_moves),
		cmocka_unit_test(test_intx_that_was_not_asserted_moves),
	};

	return cmocka_run_group_tests_name("refvm_board_interrupt", tests, NULL, NULL);
}
