/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The state of vCPUs, from one VM of KVM's to another: what was set in the first is read in the second, and bytes that
 * are cut or changed are refused or do no harm.
 */
#include "vcpu_rig.h"

#define XMM0      160 /* in the XSAVE area */
#define XSTATE_BV 512

/* 64-bit mode, and in every register something of this vCPU's own. */
static void set_registers(int vcpu_fd, uint64_t seed)
{
	struct kvm_regs regs;
	uint64_t *reg = (uint64_t *)&regs;
	struct kvm_sregs2 sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = 3 };

	for (size_t i = 0; i < sizeof(regs) / sizeof(*reg); i++)
		reg[i] = seed << 32 | (0x1000 + i);
	regs.rflags = 0x246;
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_REGS, &regs), 0);
	assert_int_equal(ioctl(vcpu_fd, KVM_GET_SREGS2, &sregs), 0);
	sregs.cs.l = 1;
	sregs.cs.db = 0;
	sregs.gs.base = seed << 12;
	sregs.gdt.base = seed << 16;
	sregs.gdt.limit = 0x7f;
	sregs.idt.base = seed << 20;
	sregs.cr0 = 0x80050033;
	sregs.cr2 = seed << 24;
	sregs.cr3 = seed << 12;
	sregs.cr4 = 0x40620; /* OSXSAVE, OSXMMEXCPT, OSFXSR, PAE */
	sregs.efer = 0xd01;
	sregs.cr8 = 3;
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_SREGS2, &sregs), 0);
	assert_int_equal(ioctl(vcpu_fd, KVM_GET_DEBUGREGS, &debugregs), 0);
	debugregs.db[0] = seed << 8;
	debugregs.db[3] = seed << 9;
	debugregs.dr7 = 0x402;
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_DEBUGREGS, &debugregs), 0);
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_XCRS, &xcrs), 0);
}

/* XSAVE has what KVM_SET_FPU has, and says which of it is in use. */
static void set_fpu(int vcpu_fd, uint64_t seed)
{
	struct kvm_xsave xsave;
	uint8_t *area = (uint8_t *)xsave.region;

	assert_int_equal(ioctl(vcpu_fd, KVM_GET_XSAVE, &xsave), 0);
	xsave.region[0] = 0x27f;
	xsave.region[6] = 0x1fa0;
	for (size_t i = 0; i < 256; i++)
		area[XMM0 + i] = (uint8_t)(seed + i);
	area[XSTATE_BV] = 3;
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_XSAVE, &xsave), 0);
}

/* A pending interrupt, an exception on its way, and a vCPU that sleeps. */
static void set_events(int vcpu_fd, uint64_t seed)
{
	struct kvm_mp_state halted = { .mp_state = KVM_MP_STATE_HALTED };
	struct kvm_vcpu_events events;
	struct kvm_lapic_state lapic;

	assert_int_equal(ioctl(vcpu_fd, KVM_GET_LAPIC, &lapic), 0);
	lapic.regs[0xf1] = 1;                  /* SVR: on */
	lapic.regs[0x200 + 0x10] = (char)seed; /* IRR: of 0x20 and up */
	lapic.regs[0x320] = 0x40;              /* LVTT: vector 0x40, of a deadline */
	lapic.regs[0x322] = 4;
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_LAPIC, &lapic), 0);
	assert_int_equal(ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events), 0);
	events.exception.injected = 1;
	events.exception.nr = 13;
	events.exception.has_error_code = 1;
	events.exception.error_code = 0x18;
	events.nmi.masked = 1;
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_VCPU_EVENTS, &events), 0);
	assert_int_equal(ioctl(vcpu_fd, KVM_SET_MP_STATE, &halted), 0);
}

static void set_all(const struct vcpu_rig *rig)
{
	for (int i = 0; i < NR_VCPUS; i++) {
		uint64_t seed = 0x51 + (uint64_t)i;

		set_registers(rig->fds[i], seed);
		set_fpu(rig->fds[i], seed);
		set_events(rig->fds[i], seed);
		set_msr(rig->fds[i], 0x175, seed << 12);         /* SYSENTER_ESP */
		set_msr(rig->fds[i], 0x277, 0x0007010600070106); /* PAT */
		set_msr(rig->fds[i], 0xc0000082, seed << 32);    /* LSTAR */
		set_msr(rig->fds[i], 0xc0000102, seed << 40);    /* KERNEL_GS_BASE */
		set_msr(rig->fds[i], 0x3b, seed);                /* TSC_ADJUST */
		set_msr(rig->fds[i], 0x2ff, 0xc06);              /* MTRRs: on, write back */
	}
}

static void test_vcpus_move(void **state)
{
	struct bytes there_bytes, here_bytes;
	struct vcpu_rig here, there;
	struct gw_error e = GW_ERROR_NONE;
	struct kvm_regs regs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	struct kvm_xsave xsave;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	set_all(&there);
	for (int i = 0; i < NR_VCPUS; i++) {
		vcpu_bytes(&there, i, &there_bytes);
		assert_fine(load_vcpu(&here, i, &there_bytes, &e), &e);
		vcpu_bytes(&here, i, &here_bytes);
		assert_int_equal(here_bytes.size_bytes, there_bytes.size_bytes);
		assert_memory_equal(here_bytes.at, there_bytes.at, there_bytes.size_bytes);
	}
	/* it is not bytes alone that are the same */
	assert_int_equal(ioctl(here.fds[1], KVM_GET_REGS, &regs), 0);
	assert_int_equal(regs.rcx, 0x5200001002);
	assert_int_equal(ioctl(here.fds[1], KVM_GET_VCPU_EVENTS, &events), 0);
	assert_int_equal(events.exception.nr, 13);
	assert_int_equal(ioctl(here.fds[1], KVM_GET_MP_STATE, &mp_state), 0);
	assert_int_equal(mp_state.mp_state, KVM_MP_STATE_HALTED);
	assert_int_equal(ioctl(here.fds[1], KVM_GET_XSAVE, &xsave), 0);
	assert_int_equal(((uint8_t *)xsave.region)[XMM0], 0x52);
	assert_int_equal(get_msr(here.fds[1], 0xc0000082), 0x5200000000);
	assert_int_equal(get_msr(here.fds[1], 0x2ff), 0xc06);
	close_rig(&here);
	close_rig(&there);
}

/* A vCPU at reset, the second one waiting for its SIPI, over one that has run. */
static void test_vcpu_at_reset(void **state)
{
	struct bytes there_bytes, here_bytes;
	struct gw_error e = GW_ERROR_NONE;
	struct vcpu_rig here, there;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	set_all(&here);
	vcpu_bytes(&there, 1, &there_bytes);
	assert_fine(load_vcpu(&here, 1, &there_bytes, &e), &e);
	vcpu_bytes(&here, 1, &here_bytes);
	assert_int_equal(here_bytes.size_bytes, there_bytes.size_bytes);
	assert_memory_equal(here_bytes.at, there_bytes.at, there_bytes.size_bytes);
	close_rig(&here);
	close_rig(&there);
}

/* A timer that counts is no reason to say that the LAPIC was not set; nor is one that has expired meanwhile. */
static void test_timer_that_runs(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct vcpu_rig here, there;
	struct kvm_lapic_state lapic;
	struct bytes bytes;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	for (int i = 0; i < 20; i++) {
		uint32_t count = 1u << (i + 8); /* ns, from a few to a quarter of a second */

		assert_int_equal(ioctl(there.fds[0], KVM_GET_LAPIC, &lapic), 0);
		lapic.regs[0xf1] = 1;
		memset(lapic.regs + 0x320, 0, 4);
		lapic.regs[0x320] = 0x40;
		lapic.regs[0x3e0] = 0xb; /* a count is a bus cycle */
		memcpy(lapic.regs + 0x380, &count, sizeof(count));
		memcpy(lapic.regs + 0x390, &count, sizeof(count));
		assert_int_equal(ioctl(there.fds[0], KVM_SET_LAPIC, &lapic), 0);
		vcpu_bytes(&there, 0, &bytes);
		assert_fine(load_vcpu(&here, 0, &bytes, &e), &e);
	}
	close_rig(&here);
	close_rig(&there);
}

static size_t nr_of_msr_at(const struct bytes *bytes, uint32_t index)
{
	for (size_t at = bytes->size_bytes - 12; at > 0; at--)
		if (!memcmp(bytes->at + at, &index, sizeof(index)))
			return at;
	assert_null("the MSR is in the state");
	return 0;
}

/* The MSR at which KVM stops is named; the vCPU too. */
static void test_msr_that_is_refused(void **state)
{
	struct gw_error e = GW_ERROR_NONE, unknown = GW_ERROR_NONE;
	struct vcpu_rig rig;
	struct bytes bytes;
	size_t at;

	open_rig(&rig, NULL);
	vcpu_bytes(&rig, 1, &bytes);
	at = nr_of_msr_at(&bytes, 0xc0000082);
	bytes.at[at + 11] = 0x12; /* LSTAR, which must be an address */
	assert_int_equal(load_vcpu(&rig, 1, &bytes, &e), -EIO);
	assert_string_equal(e.where, "vCPU 1");
	assert_string_equal(e.what, "MSR 0xc0000082 cannot be written");
	bytes.at[at + 11] = 0;
	bytes.at[bytes.size_bytes - 9] = 0xff; /* the last one's index becomes nobody's */
	assert_int_equal(load_vcpu(&rig, 1, &bytes, &unknown), -EIO);
	assert_non_null(strstr(unknown.what, "MSR 0xff"));
	assert_non_null(strstr(unknown.what, "cannot be read"));
	close_rig(&rig);
}

/* KVM takes it, and keeps something else: the load says so. */
static void test_register_that_does_not_come_back(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct vcpu_state *vcpu = vcpu_state_new();
	struct vcpu_rig rig;
	struct blob_in in;
	struct bytes bytes;
	uint8_t *apic;

	open_rig(&rig, NULL);
	vcpu_bytes(&rig, 0, &bytes);
	/* LAPIC's version register cannot be set */
	for (apic = bytes.at; apic < bytes.at + bytes.size_bytes && memcmp(apic, "\x14\x00\x05", 3); apic++)
		;
	assert_true(apic < bytes.at + bytes.size_bytes);
	*apic = 0x99;
	in = reader(&bytes);
	assert_int_equal(vcpu_state_decode(vcpu, &in), 0);
	assert_int_equal(vcpu_state_write(vcpu, rig.fds[0], 0, &e), -EIO);
	assert_string_equal(e.where, "vCPU 0");
	assert_non_null(strstr(e.what, "KVM_SET_LAPIC set 0x99 at byte 48"));
	vcpu_state_free(vcpu);
	close_rig(&rig);
}

static void test_broken_vcpu(void **state)
{
	struct vcpu_state *vcpu = vcpu_state_new();
	struct bytes bytes, broken;
	struct vcpu_rig rig;

	open_rig(&rig, NULL);
	set_all(&rig);
	vcpu_bytes(&rig, 0, &bytes);
	for (size_t cut = 0; cut < bytes.size_bytes; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1);
		struct blob_in in = { .at = exact, .left_bytes = cut };

		assert_non_null(exact);
		memcpy(exact, bytes.at, cut);
		assert_int_equal(vcpu_state_decode(vcpu, &in), -EBADMSG);
		free(exact);
	}
	/* what is decoded all the same may be written: KVM refuses it, or it does not come back, or it is a state */
	for (size_t bit = 0; bit < bytes.size_bytes * 8; bit += 61) {
		broken = bytes;
		broken.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		load_vcpu(&rig, 0, &broken, NULL);
	}
	vcpu_state_free(vcpu);
	close_rig(&rig);
}

/* More MSRs than there is room for, with all their bytes; and MSRs that are not rising. */
static void test_counts_of_msrs(void **state)
{
	struct vcpu_state *vcpu = vcpu_state_new();
	const uint32_t nr = MSR_LIST_MAX + 1000;
	struct bytes bytes, broken;
	struct vcpu_rig rig;
	struct blob_in in;
	size_t msrs_at;

	open_rig(&rig, NULL);
	vcpu_bytes(&rig, 0, &bytes);
	msrs_at = bytes.size_bytes - 12 * (host_facts_msrs(rig.facts)->nr - 2); /* without TSC and deadline */
	broken = bytes;
	memcpy(broken.at + msrs_at - 4, &nr, sizeof(nr));
	for (uint32_t i = 0; i < nr; i++)
		memcpy(broken.at + msrs_at + i * 12, &i, sizeof(i));
	broken.size_bytes = msrs_at + nr * 12;
	in = reader(&broken);
	assert_int_equal(vcpu_state_decode(vcpu, &in), -EBADMSG);
	broken = bytes;
	memcpy(broken.at + msrs_at + 12, broken.at + msrs_at, 4);
	in = reader(&broken);
	assert_int_equal(vcpu_state_decode(vcpu, &in), -EBADMSG);
	vcpu_state_free(vcpu);
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vcpus_move),
		cmocka_unit_test(test_vcpu_at_reset),
		cmocka_unit_test(test_timer_that_runs),
		cmocka_unit_test(test_msr_that_is_refused),
		cmocka_unit_test(test_register_that_does_not_come_back),
		cmocka_unit_test(test_broken_vcpu),
		cmocka_unit_test(test_counts_of_msrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
