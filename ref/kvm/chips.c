/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM's chips in the kernel, and its clock. */
#include "ref/kvm/chips.h"

#include "ref/kvm/msr_list.h"
#include "ref/kvm/register_set.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define MAX_TSC_KHZ  100000000 /* 100 GHz: with it no product here overflows */
#define MAX_TRIES    16
#define GOOD_LOOK_NS 20000
#define GOOD_TSC_NS  100000000
#define NS_PER_MS    1000000

static const struct register_set sets[] = {
	REGISTER_SET(IRQCHIP, chips, irqchips[KVM_IRQCHIP_PIC_MASTER]),
	REGISTER_SET(IRQCHIP, chips, irqchips[KVM_IRQCHIP_PIC_SLAVE]),
	REGISTER_SET(IRQCHIP, chips, irqchips[KVM_IRQCHIP_IOAPIC]),
	{ "PIT2", KVM_GET_PIT2, KVM_SET_PIT2, offsetof(struct chips, pit), sizeof(struct kvm_pit_state2) },
};

#define NR_SETS (sizeof(sets) / sizeof(sets[0]))

int chips_read(struct chips *chips, int vm_fd, struct gw_error *e)
{
	int ret = 0;

	memset(chips, 0, sizeof(*chips));
	for (uint32_t i = 0; i < 3; i++)
		chips->irqchips[i].chip_id = i;
	for (size_t i = 0; !ret && i < NR_SETS; i++)
		ret = register_set_read(&sets[i], vm_fd, chips, "guest", e);
	/* In the time of this host's kernel, which starts the count anew when it is set. */
	for (int i = 0; i < 3; i++)
		chips->pit.channels[i].count_load_time = 0;
	return ret;
}

int chips_write(const struct chips *chips, int vm_fd, struct gw_error *e)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < NR_SETS; i++)
		ret = register_set_write(&sets[i], vm_fd, chips, "guest", e);
	return ret;
}

void chips_encode(const struct chips *chips, struct blob_out *out)
{
	for (size_t i = 0; i < NR_SETS; i++)
		register_set_encode(&sets[i], chips, out);
}

int chips_decode(struct chips *chips, struct blob_in *in)
{
	memset(chips, 0, sizeof(*chips));
	for (size_t i = 0; i < NR_SETS; i++)
		register_set_decode(&sets[i], chips, in);
	for (uint32_t i = 0; i < 3; i++)
		if (chips->irqchips[i].chip_id != i)
			in->bad = 1;
	return in->bad ? -EBADMSG : 0;
}

/* All clocks at one moment. */
struct look {
	uint64_t realtime_ns, kvmclock_ns, tsc;
};

static uint64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* They can only be read one after the other: the quickest of some tries is the one nobody came between. */
static int look_at_clocks(struct look *look, int vm_fd, int vcpu_fd, struct gw_error *e)
{
	uint64_t best_ns = UINT64_MAX;

	for (int i = 0; i < MAX_TRIES && best_ns > GOOD_LOOK_NS; i++) {
		struct kvm_msr_entry tsc = { .index = MSR_TSC };
		struct kvm_clock_data kvmclock = { 0 };
		uint64_t begin_ns = realtime_ns(), took_ns;

		if (ioctl(vm_fd, KVM_GET_CLOCK, &kvmclock) || msr_io(vcpu_fd, KVM_GET_MSRS, &tsc, 1) != 1)
			return gw_error_set(e, -EIO, "guest", "its clock cannot be read");
		took_ns = realtime_ns() - begin_ns;
		if (took_ns < best_ns || !i) {
			best_ns = took_ns;
			*look = (struct look){ begin_ns + took_ns / 2, kvmclock.clock, tsc.data };
		}
	}
	return 0;
}

/*
 * A TSC is set by its offset to the host's. Writing the MSR would do too, but KVM takes a value near to what another
 * vCPU was given for an attempt at the same, and what is set is then not what was asked for.
 */
static int do_offset(int vcpu_fd, unsigned long request, uint64_t *offset, struct gw_error *e)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	if (!ioctl(vcpu_fd, request, &attr))
		return 0;
	return gw_error_set(e, -errno, "guest", "the offset of its TSC (KVM_VCPU_TSC_OFFSET): %s", strerror(errno));
}

/* The TSCs of all at the moment of the first one's. */
int guest_clock_read(struct guest_clock *clock, int vm_fd, const int *vcpu_fds, uint32_t nr_vcpus, struct gw_error *e)
{
	int khz = ioctl(vcpu_fds[0], KVM_GET_TSC_KHZ, 0), ret;
	uint64_t first = 0, offset = 0;
	struct look look;

	if (khz <= 0 || nr_vcpus > GUEST_CLOCK_MAX_VCPUS)
		return gw_error_set(e, -EIO, "guest", "KVM does not know the rate of its TSC");
	ret = look_at_clocks(&look, vm_fd, vcpu_fds[0], e);
	if (!ret)
		ret = do_offset(vcpu_fds[0], KVM_GET_DEVICE_ATTR, &first, e);
	if (ret)
		return ret;
	*clock = (struct guest_clock){
		.realtime_ns = look.realtime_ns,
		.kvmclock_ns = look.kvmclock_ns,
		.tsc_khz = (uint64_t)khz,
		.nr_vcpus = nr_vcpus,
	};
	for (uint32_t i = 0; !ret && i < nr_vcpus; i++) {
		struct kvm_msr_entry deadline = { .index = MSR_TSC_DEADLINE };

		ret = do_offset(vcpu_fds[i], KVM_GET_DEVICE_ATTR, &offset, e);
		clock->tsc[i] = look.tsc + (offset - first);
		if (msr_io(vcpu_fds[i], KVM_GET_MSRS, &deadline, 1) == 1) /* a KVM without has set none */
			clock->deadline[i] = deadline.data;
	}
	return ret;
}

static uint64_t cycles(uint64_t ns, uint64_t khz)
{
	return ns / NS_PER_MS * khz + ns % NS_PER_MS * khz / NS_PER_MS;
}

/* What the clock was, as it is to be now. */
static void let_pass(struct guest_clock *clock, uint64_t now_ns)
{
	uint64_t passed_ns = now_ns > clock->realtime_ns ? now_ns - clock->realtime_ns : 0;

	if (passed_ns > GUEST_CLOCK_MAX_NS)
		passed_ns = GUEST_CLOCK_MAX_NS;
	clock->realtime_ns = now_ns;
	clock->kvmclock_ns += passed_ns;
	for (uint32_t i = 0; i < clock->nr_vcpus; i++)
		clock->tsc[i] += cycles(passed_ns, clock->tsc_khz);
}

/* By one look at the first one's, so that they are to each other as they were. */
static int set_tscs(const struct guest_clock *wanted, uint64_t tsc_now, const int *vcpu_fds, struct gw_error *e)
{
	uint64_t offset = 0;
	int ret = do_offset(vcpu_fds[0], KVM_GET_DEVICE_ATTR, &offset, e);

	for (uint32_t i = 0; !ret && i < wanted->nr_vcpus; i++) {
		uint64_t own = offset + (wanted->tsc[i] - tsc_now);

		ret = do_offset(vcpu_fds[i], KVM_SET_DEVICE_ATTR, &own, e);
	}
	return ret;
}

/*
 * A guest's TSC must not go back, nor leap. There is a KVM, kvm_pvm, that takes an offset and leaves the TSC the
 * host's: all is well then from process to process, and elsewhere not.
 */
static int check_tscs(const struct guest_clock *was, const struct guest_clock *is, const struct guest_clock *wanted,
		      struct gw_error *e)
{
	uint64_t slack = cycles(is->kvmclock_ns - wanted->kvmclock_ns + GOOD_TSC_NS, wanted->tsc_khz);

	for (uint32_t i = 0; i < was->nr_vcpus; i++)
		if (is->tsc[i] - was->tsc[i] > wanted->tsc[i] - was->tsc[i] + slack)
			return gw_error_set(e, -EIO, "guest",
					    "KVM does not set the TSC of vCPU %u: it was %llu and is %llu", i,
					    (unsigned long long)was->tsc[i], (unsigned long long)is->tsc[i]);
	return 0;
}

/* The timers only now: a deadline that is met by the TSC of before would be an interrupt too early. */
static int start_timers(const struct guest_clock *clock, const int *vcpu_fds, struct gw_error *e)
{
	for (uint32_t i = 0; i < clock->nr_vcpus; i++) {
		struct kvm_msr_entry deadline = { .index = MSR_TSC_DEADLINE, .data = clock->deadline[i] };

		if (clock->deadline[i] && msr_io(vcpu_fds[i], KVM_SET_MSRS, &deadline, 1) != 1)
			return gw_error_set(e, -EIO, "guest", "the deadline of vCPU %u's timer cannot be set", i);
		ioctl(vcpu_fds[i], KVM_KVMCLOCK_CTRL, 0); /* its watchdogs let the pause pass; -EINVAL: no kvmclock */
	}
	return 0;
}

int guest_clock_write(const struct guest_clock *clock, int vm_fd, const int *vcpu_fds, uint32_t nr_vcpus,
		      struct gw_error *e)
{
	struct kvm_clock_data kvmclock = { .flags = KVM_CLOCK_REALTIME };
	struct guest_clock wanted = *clock, back;
	struct look now;
	int ret;

	if (clock->nr_vcpus != nr_vcpus)
		return gw_error_set(e, -EBADMSG, "guest", "its clock is of %u vCPUs, not %u", clock->nr_vcpus,
				    nr_vcpus);
	ret = look_at_clocks(&now, vm_fd, vcpu_fds[0], e);
	if (ret)
		return ret;
	let_pass(&wanted, now.realtime_ns);
	ret = set_tscs(&wanted, now.tsc, vcpu_fds, e);
	/* KVM adds what passes from the look to the call. */
	kvmclock.clock = wanted.kvmclock_ns;
	kvmclock.realtime = wanted.realtime_ns;
	if (!ret && ioctl(vm_fd, KVM_SET_CLOCK, &kvmclock))
		return gw_error_set(e, -errno, "guest", "KVM_SET_CLOCK: %s", strerror(errno));
	if (!ret)
		ret = guest_clock_read(&back, vm_fd, vcpu_fds, nr_vcpus, e);
	if (!ret)
		ret = check_tscs(clock, &back, &wanted, e);
	return ret ? ret : start_timers(clock, vcpu_fds, e);
}

void guest_clock_encode(const struct guest_clock *clock, struct blob_out *out)
{
	blob_put_u64(out, clock->realtime_ns);
	blob_put_u64(out, clock->kvmclock_ns);
	blob_put_u64(out, clock->tsc_khz);
	blob_put_u32(out, clock->nr_vcpus);
	for (uint32_t i = 0; i < clock->nr_vcpus; i++) {
		blob_put_u64(out, clock->tsc[i]);
		blob_put_u64(out, clock->deadline[i]);
	}
}

int guest_clock_decode(struct guest_clock *clock, struct blob_in *in)
{
	memset(clock, 0, sizeof(*clock));
	clock->realtime_ns = blob_get_u64(in);
	clock->kvmclock_ns = blob_get_u64(in);
	clock->tsc_khz = blob_get_u64(in);
	clock->nr_vcpus = blob_get_u32(in);
	if (in->bad || !clock->nr_vcpus || clock->nr_vcpus > GUEST_CLOCK_MAX_VCPUS || clock->tsc_khz > MAX_TSC_KHZ)
		return -EBADMSG;
	for (uint32_t i = 0; i < clock->nr_vcpus; i++) {
		clock->tsc[i] = blob_get_u64(in);
		clock->deadline[i] = blob_get_u64(in);
	}
	return in->bad ? -EBADMSG : 0;
}
