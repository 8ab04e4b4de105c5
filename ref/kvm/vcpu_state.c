/* SPDX-License-Identifier: BSD-3-Clause */
/* A vCPU's state: from and to KVM, from and to bytes. */
#include "ref/kvm/vcpu_state.h"

#include "ref/kvm/register_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAPIC_PPR   0x0a0 /* what is in service and TPR give: KVM makes it anew, from what was set */
#define LAPIC_IRR   0x200 /* 8 words, 16 bytes apart: interrupts that are pending */
#define LAPIC_TMCCT 0x390 /* what is left of the timer's count */

struct vcpu_state {
	struct kvm_sregs2 sregs;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state lapic;
	struct kvm_debugregs debugregs;
	struct kvm_regs regs;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
	uint32_t nr_msrs;
	struct kvm_msr_entry msrs[MSR_LIST_MAX];
	uint8_t xsave[VCPU_STATE_MAX_XSAVE_BYTES]; /* KVM uses what it needs of it; host_facts has seen to the size */
};

/*
 * The order in which they are set; they are read the other way round. CPUID is there before all (host_facts): it
 * decides which bits of the others KVM takes. SREGS has EFER and the APIC's base, without which the LAPIC is of another
 * mode and takes other registers; MSRs, which follow SREGS, may be of features that CR4 switches on. XCRS says what of
 * XSAVE is in use (the FPU's registers are in XSAVE: no KVM_SET_FPU). The LAPIC has the task priority that is CR8 too.
 * REGS drops a pending exception, so EVENTS follow. MP_STATE is last because it must be read first: reading it takes in
 * an INIT or SIPI that is pending, which changes all the others. EVENTS are then read before SREGS and DEBUGREGS: an
 * exception on its way may put its address into CR2 or DR6.
 */
static const struct register_set sets[] = {
	REGISTER_SET(SREGS2, vcpu_state, sregs),
	{ .name = "MSRS" },
	REGISTER_SET(XCRS, vcpu_state, xcrs),
	{ "XSAVE2", KVM_GET_XSAVE2, KVM_SET_XSAVE, offsetof(struct vcpu_state, xsave), VCPU_STATE_MAX_XSAVE_BYTES },
	REGISTER_SET(LAPIC, vcpu_state, lapic),
	REGISTER_SET(DEBUGREGS, vcpu_state, debugregs),
	REGISTER_SET(REGS, vcpu_state, regs),
	REGISTER_SET(VCPU_EVENTS, vcpu_state, events),
	REGISTER_SET(MP_STATE, vcpu_state, mp_state),
};

#define NR_SETS (sizeof(sets) / sizeof(sets[0]))

static int is_msrs(const struct register_set *set)
{
	return !set->size_bytes;
}

struct vcpu_state *vcpu_state_new(void)
{
	return calloc(1, sizeof(struct vcpu_state));
}

void vcpu_state_free(struct vcpu_state *state)
{
	free(state);
}

static int do_msrs(int vcpu_fd, unsigned long request, struct kvm_msr_entry *msrs, uint32_t nr, const char *where,
		   struct gw_error *e)
{
	int done = msr_io(vcpu_fd, request, msrs, nr);

	if (done < 0)
		return gw_error_set(e, done, where, "its MSRs: %s", strerror(-done));
	if ((uint32_t)done < nr)
		return gw_error_set(e, -EIO, where, "MSR 0x%x cannot be %s", msrs[done].index,
				    request == KVM_GET_MSRS ? "read" : "written");
	return 0;
}

/*
 * Only what differs is written: some MSRs tell of the CPU (microcode, platform information), and KVM refuses to have
 * them set, or set to what this host has not; as long as they are the same nobody has to.
 */
static int write_msrs(const struct vcpu_state *state, int vcpu_fd, const char *where, struct gw_error *e)
{
	struct kvm_msr_entry msrs[MSR_LIST_MAX];
	uint32_t nr = 0;
	int ret;

	memcpy(msrs, state->msrs, state->nr_msrs * sizeof(msrs[0]));
	ret = do_msrs(vcpu_fd, KVM_GET_MSRS, msrs, state->nr_msrs, where, e);
	for (uint32_t i = 0; !ret && i < state->nr_msrs; i++)
		if (msrs[i].data != state->msrs[i].data)
			msrs[nr++] = state->msrs[i];
	return ret ? ret : do_msrs(vcpu_fd, KVM_SET_MSRS, msrs, nr, where, e);
}

/* Which MSRs: is in state. */
static int read_all(struct vcpu_state *state, int vcpu_fd, const char *where, struct gw_error *e)
{
	int ret = 0;

	for (size_t i = NR_SETS; !ret && i--;) {
		if (is_msrs(&sets[i]))
			ret = do_msrs(vcpu_fd, KVM_GET_MSRS, state->msrs, state->nr_msrs, where, e);
		else
			ret = register_set_read(&sets[i], vcpu_fd, state, where, e);
	}
	return ret;
}

int vcpu_state_read(struct vcpu_state *state, int vcpu_fd, const struct msr_list *msrs, uint32_t index,
		    struct gw_error *e)
{
	char where[32];

	snprintf(where, sizeof(where), "vCPU %u", index);
	memset(state, 0, sizeof(*state));
	for (uint32_t i = 0; i < msrs->nr; i++)
		if (msrs->index[i] != MSR_TSC && msrs->index[i] != MSR_TSC_DEADLINE)
			state->msrs[state->nr_msrs++].index = msrs->index[i];
	return read_all(state, vcpu_fd, where, e);
}

/* What the LAPIC does by itself: its timer counts, and is one more pending interrupt when it has expired. */
static void forget_own_doing(struct vcpu_state *back, const struct vcpu_state *state)
{
	char *now = back->lapic.regs;
	const char *set = state->lapic.regs;

	memcpy(now + LAPIC_PPR, set + LAPIC_PPR, sizeof(uint32_t));
	memcpy(now + LAPIC_TMCCT, set + LAPIC_TMCCT, sizeof(uint32_t));
	for (int at = LAPIC_IRR; at < LAPIC_IRR + 8 * 16; at += 16)
		for (int i = at; i < at + 4; i++)
			if ((now[i] & set[i]) == set[i])
				now[i] = set[i];
}

static int compare(const struct vcpu_state *back, const struct vcpu_state *state, const char *where, struct gw_error *e)
{
	for (uint32_t i = 0; i < state->nr_msrs; i++)
		if (back->msrs[i].data != state->msrs[i].data)
			return gw_error_set(e, -EIO, where, "MSR 0x%x was set to 0x%llx and reads 0x%llx",
					    state->msrs[i].index, state->msrs[i].data, back->msrs[i].data);
	for (size_t i = 0; i < NR_SETS; i++) {
		const uint8_t *now = (const uint8_t *)back + sets[i].offset;
		const uint8_t *set = (const uint8_t *)state + sets[i].offset;
		uint32_t at = 0;

		while (at < sets[i].size_bytes && now[at] == set[at])
			at++;
		if (at < sets[i].size_bytes)
			return gw_error_set(e, -EIO, where, "KVM_SET_%s set 0x%02x at byte %u, and it reads 0x%02x",
					    sets[i].name, set[at], at, now[at]);
	}
	return 0;
}

static int check_written(const struct vcpu_state *state, int vcpu_fd, const char *where, struct gw_error *e)
{
	struct vcpu_state *back = vcpu_state_new();
	int ret;

	if (!back)
		return gw_error_set(e, -ENOMEM, where, "no memory to read its state back");
	back->nr_msrs = state->nr_msrs;
	memcpy(back->msrs, state->msrs, sizeof(back->msrs));
	ret = read_all(back, vcpu_fd, where, e);
	if (!ret) {
		forget_own_doing(back, state);
		ret = compare(back, state, where, e);
	}
	vcpu_state_free(back);
	return ret;
}

int vcpu_state_write(const struct vcpu_state *state, int vcpu_fd, uint32_t index, struct gw_error *e)
{
	char where[32];
	int ret = 0;

	snprintf(where, sizeof(where), "vCPU %u", index);
	for (size_t i = 0; !ret && i < NR_SETS; i++) {
		if (is_msrs(&sets[i]))
			ret = write_msrs(state, vcpu_fd, where, e);
		else
			ret = register_set_write(&sets[i], vcpu_fd, state, where, e);
	}
	return ret ? ret : check_written(state, vcpu_fd, where, e);
}

void vcpu_state_encode(const struct vcpu_state *state, struct blob_out *out)
{
	for (size_t i = 0; i < NR_SETS; i++)
		register_set_encode(&sets[i], state, out);
	blob_put_u32(out, state->nr_msrs);
	for (uint32_t i = 0; i < state->nr_msrs; i++) {
		blob_put_u32(out, state->msrs[i].index);
		blob_put_u64(out, state->msrs[i].data);
	}
}

int vcpu_state_decode(struct vcpu_state *state, struct blob_in *in)
{
	uint32_t nr;

	memset(state, 0, sizeof(*state));
	for (size_t i = 0; i < NR_SETS; i++)
		register_set_decode(&sets[i], state, in);
	nr = blob_get_u32(in);
	if (in->bad || nr > MSR_LIST_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < nr; i++) {
		state->msrs[i].index = blob_get_u32(in);
		state->msrs[i].data = blob_get_u64(in);
		if (in->bad || (i && state->msrs[i].index <= state->msrs[i - 1].index))
			return -EBADMSG;
	}
	state->nr_msrs = nr;
	return 0;
}
