/* SPDX-License-Identifier: BSD-3-Clause */
/* The state of KVM's part of a guest. */
#include "ref/kvm/guest_state.h"

#include <errno.h>

int guest_state_init(struct guest_state *state, uint32_t nr_vcpus, struct gw_error *e)
{
	*state = (struct guest_state){ .nr_vcpus = nr_vcpus };
	for (uint32_t i = 0; i < nr_vcpus; i++) {
		state->vcpus[i] = vcpu_state_new();
		if (!state->vcpus[i])
			return gw_error_set(e, -ENOMEM, "vCPUs", "no memory for the state of vCPU %u", i);
	}
	return 0;
}

void guest_state_fini(struct guest_state *state)
{
	for (uint32_t i = 0; i < state->nr_vcpus; i++)
		vcpu_state_free(state->vcpus[i]);
	state->nr_vcpus = 0;
}

/* The way of an interrupt is chip, then LAPIC: what goes on while this is read is read there at the latest. */
int guest_state_read(struct guest_state *state, int vm_fd, const int *vcpu_fds, const struct msr_list *msrs,
		     struct gw_error *e)
{
	int ret = chips_read(&state->chips, vm_fd, e);

	if (!ret)
		ret = guest_clock_read(&state->clock, vm_fd, vcpu_fds, state->nr_vcpus, e);
	for (uint32_t i = 0; !ret && i < state->nr_vcpus; i++)
		ret = vcpu_state_read(state->vcpus[i], vcpu_fds[i], msrs, i, e);
	return ret;
}

int guest_state_write(const struct guest_state *state, int vm_fd, const int *vcpu_fds, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < state->nr_vcpus; i++)
		ret = vcpu_state_write(state->vcpus[i], vcpu_fds[i], i, e);
	return ret ? ret : chips_write(&state->chips, vm_fd, e);
}

void guest_state_encode(const struct guest_state *state, struct blob_out *out)
{
	size_t begin = blob_begin(out);

	chips_encode(&state->chips, out);
	blob_end(out, begin);
	begin = blob_begin(out);
	guest_clock_encode(&state->clock, out);
	blob_end(out, begin);
	for (uint32_t i = 0; i < state->nr_vcpus; i++) {
		begin = blob_begin(out);
		vcpu_state_encode(state->vcpus[i], out);
		blob_end(out, begin);
	}
}

int guest_state_decode(struct guest_state *state, struct blob_in *in)
{
	struct blob_in part = blob_get_part(in);

	if (chips_decode(&state->chips, &part) || !blob_ended(&part))
		return -EBADMSG;
	part = blob_get_part(in);
	if (guest_clock_decode(&state->clock, &part) || !blob_ended(&part) || state->clock.nr_vcpus != state->nr_vcpus)
		return -EBADMSG;
	for (uint32_t i = 0; i < state->nr_vcpus; i++) {
		part = blob_get_part(in);
		if (vcpu_state_decode(state->vcpus[i], &part) || !blob_ended(&part))
			return -EBADMSG;
	}
	return 0;
}
