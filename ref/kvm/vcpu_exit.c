/* SPDX-License-Identifier: BSD-3-Clause */
/* What a vCPU comes out of KVM_RUN for. */
#include "ref/kvm/vcpu_exit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

/*
 * Where it stands, as an end of the sentence. AMD's CPUs leave nothing to tell of after a shutdown, and KVM has reset
 * the vCPU: then it is the rip of a reset.
 */
static const char *where_it_is(const struct vcpu_exit *x, char text[48])
{
	struct kvm_regs regs;

	if (ioctl(x->fd, KVM_GET_REGS, &regs))
		snprintf(text, 48, "on vCPU %u", x->index);
	else
		snprintf(text, 48, "on vCPU %u at rip 0x%llx", x->index, regs.rip);
	return text;
}

/* in and out, with rep too: count values of size bytes one after another, all at one port. */
static int access_port(const struct vcpu_exit *x)
{
	struct bus *ports = x->config->ports;
	uint8_t *data = (uint8_t *)x->run + x->run->io.data_offset;

	for (uint32_t i = 0; i < x->run->io.count; i++, data += x->run->io.size) {
		if (x->run->io.direction == KVM_EXIT_IO_OUT)
			bus_write(ports, x->run->io.port, data, x->run->io.size);
		else
			bus_read(ports, x->run->io.port, data, x->run->io.size);
	}
	return 0;
}

static int access_memory(const struct vcpu_exit *x)
{
	struct kvm_run *run = x->run;

	if (run->mmio.is_write)
		bus_write(x->config->memory, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	else
		bus_read(x->config->memory, run->mmio.phys_addr, run->mmio.data, run->mmio.len);
	return 0;
}

/* " of 66 0f 6e c0", or "": the bytes of an instruction that KVM does not know, from rip on, if it tells them. */
static const char *instruction(const struct kvm_run *run, char text[64])
{
	uint32_t nr = run->emulation_failure.insn_size, used = 0;

	text[0] = '\0';
	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION || run->internal.ndata < 3 ||
	    !(run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return text;
	for (uint32_t i = 0; i < nr && i < sizeof(run->emulation_failure.insn_bytes); i++)
		used += (uint32_t)snprintf(text + used, 64 - used, "%s%02x", i ? " " : " of ",
					   run->emulation_failure.insn_bytes[i]);
	return text;
}

static int internal_error(const struct vcpu_exit *x, struct gw_error *e)
{
	static const char *const names[] = {
		[KVM_INTERNAL_ERROR_EMULATION] = "it cannot emulate the instruction",
		[KVM_INTERNAL_ERROR_SIMUL_EX] = "two exceptions at once",
		[KVM_INTERNAL_ERROR_DELIVERY_EV] = "an event could not be delivered",
		[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] = "the CPU left the guest for an unknown reason",
	};
	uint32_t suberror = x->run->internal.suberror;
	char at[48], bytes[64];

	return gw_error_set(e, -EIO, "guest", "KVM's internal error %u%s%s%s %s", suberror,
			    suberror && suberror < sizeof(names) / sizeof(names[0]) ? ": " : "",
			    suberror && suberror < sizeof(names) / sizeof(names[0]) ? names[suberror] : "",
			    instruction(x->run, bytes), where_it_is(x, at));
}

static int ended(const struct vcpu_exit *x, struct gw_error *e)
{
	const struct kvm_run *run = x->run;
	char at[48];

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		return gw_error_set(e, -EIO, "guest", "the guest has shut down: triple fault %s", where_it_is(x, at));
	case KVM_EXIT_SYSTEM_EVENT:
		return gw_error_set(e, -EIO, "guest", "the guest has asked for its end (system event %u) %s",
				    run->system_event.type, where_it_is(x, at));
	case KVM_EXIT_INTERNAL_ERROR:
		return internal_error(x, e);
	case KVM_EXIT_FAIL_ENTRY:
		return gw_error_set(e, -EIO, "guest", "the CPU refuses to enter the guest (reason 0x%llx) %s",
				    run->fail_entry.hardware_entry_failure_reason, where_it_is(x, at));
	default:
		return gw_error_set(e, -EIO, "guest", "KVM_RUN came back with exit reason %u, unknown here, %s",
				    run->exit_reason, where_it_is(x, at));
	}
}

int vcpu_exit_handle(const struct vcpu_exit *x, struct gw_error *e)
{
	switch (x->run->exit_reason) {
	case KVM_EXIT_IO:
		return access_port(x);
	case KVM_EXIT_MMIO:
		return access_memory(x);
	case KVM_EXIT_DIRTY_RING_FULL:
		return gw_kvm_log_ring_full(x->config->vm->log, e);
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return 0;
	default:
		return ended(x, e);
	}
}

int vcpu_exit_refused(const struct vcpu_exit *x, int ret, struct gw_error *e)
{
	char at[48];

	return gw_error_set(e, ret, "guest", "KVM_RUN failed %s: %s%s", where_it_is(x, at), strerror(-ret),
			    ret == -EFAULT ? " (memory of a slot that this process does not have?)" : "");
}
