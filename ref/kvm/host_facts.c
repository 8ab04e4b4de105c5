/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest needs of a host, and what this host has. */
#include "ref/kvm/host_facts.h"

#include "ref/kvm/guest_cpuid.h"
#include "ref/kvm/vcpu_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define MAGIC         0x564b5747 /* "GWKV" */
#define VERSION       1
#define TOLERANCE_PPM 250 /* KVM takes TSC rates for the same if they differ by less (its tsc_tolerance_ppm) */

struct facts {
	uint32_t kind; /* enum guest_kind */
	uint32_t nr_vcpus;
	uint32_t tsc_khz;
	uint32_t xsave_bytes;
	struct guest_cpuid cpuid;
	struct msr_list msrs;
};

_Static_assert(28 + sizeof(struct guest_cpuid) + sizeof(struct msr_list) <= GW_MAX_NEEDS_BYTES, "needs fit");

struct host_facts {
	struct facts host;  /* what a guest that starts here is shown */
	struct facts guest; /* what this guest is shown: the same, or where it started */
	int scales_tsc;
};

static const struct {
	int number;
	const char *name;
} capabilities[] = {
	{ KVM_CAP_XSAVE2, "KVM_CAP_XSAVE2 (Linux 5.17)" },
	{ KVM_CAP_SREGS2, "KVM_CAP_SREGS2 (Linux 5.14)" },
	{ KVM_CAP_ENFORCE_PV_FEATURE_CPUID, "KVM_CAP_ENFORCE_PV_FEATURE_CPUID (Linux 5.10)" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS (a CPU with XSAVE)" },
	{ KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ" },
};

static int check_capabilities(const struct kvm_vm *vm, const int *vcpu_fds, struct gw_error *e)
{
	struct kvm_device_attr offset = { .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET };
	int xsave_bytes = ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		if (ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, capabilities[i].number) <= 0)
			return gw_error_set(e, -EOPNOTSUPP, "vCPUs", "KVM here has no %s", capabilities[i].name);
	if (ioctl(vcpu_fds[0], KVM_HAS_DEVICE_ATTR, &offset))
		return gw_error_set(e, -EOPNOTSUPP, "vCPUs", "KVM here has no KVM_VCPU_TSC_OFFSET (Linux 5.16)");
	if (xsave_bytes > VCPU_STATE_MAX_XSAVE_BYTES)
		return gw_error_set(e, -EOPNOTSUPP, "vCPUs", "their XSAVE area has %d bytes, more than this VM moves",
				    xsave_bytes);
	return xsave_bytes;
}

static int parse_lack(const char *text, uint32_t *msr, uint32_t *leaf, struct gw_error *e)
{
	const char *number = text ? strchr(text, ':') : NULL;
	char *end = NULL;
	unsigned long value = number ? strtoul(number + 1, &end, 16) : 0;
	int is_number = number && end != number + 1 && !*end && value < UINT32_MAX;

	*msr = 0;
	*leaf = GUEST_CPUID_NO_LEAF;
	if (!text || !strcmp(text, "slot"))
		return 0;
	if (is_number && !strncmp(text, "msr:", 4) && value)
		*msr = (uint32_t)value;
	else if (is_number && !strncmp(text, "cpuid:", 6))
		*leaf = (uint32_t)value;
	else
		return gw_error_set(e, -EINVAL, "vCPUs",
				    "\"%s\" cannot be left out: msr:NUMBER, cpuid:LEAF (both hexadecimal) or slot can",
				    text);
	return 0;
}

/* What KVM offers and is not in the CPUID a guest cannot switch on: it would be state that stays here. */
static int give_cpuid(const struct guest_cpuid *cpuid, const int *vcpu_fds, uint32_t nr_vcpus, struct gw_error *e)
{
	struct kvm_enable_cap enforce = { .cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = { 1 } };
	int ret = 0;

	for (uint32_t i = 0; !ret && i < nr_vcpus; i++) {
		ret = guest_cpuid_give(cpuid, vcpu_fds[i], i, e);
		if (!ret && ioctl(vcpu_fds[i], KVM_ENABLE_CAP, &enforce))
			ret = gw_error_set(e, -errno, "vCPUs", "KVM_CAP_ENFORCE_PV_FEATURE_CPUID: %s", strerror(errno));
	}
	return ret;
}

static int find_out(struct facts *host, const struct kvm_vm *vm, const int *vcpu_fds, uint32_t nr_vcpus,
		    const struct ref_vm_options *options, struct gw_error *e)
{
	int khz = ioctl(vcpu_fds[0], KVM_GET_TSC_KHZ, 0);
	uint32_t msr, leaf;
	int ret = check_capabilities(vm, vcpu_fds, e);

	if (ret < 0)
		return ret;
	if (khz <= 0)
		return gw_error_set(e, -EOPNOTSUPP, "vCPUs", "KVM does not know the rate of their TSC");
	*host = (struct facts){
		.kind = options->kernel_path ? GUEST_LINUX : GUEST_BARE,
		.nr_vcpus = nr_vcpus,
		.tsc_khz = (uint32_t)khz,
		.xsave_bytes = (uint32_t)ret,
	};
	ret = parse_lack(options->lack, &msr, &leaf, e);
	if (!ret)
		ret = guest_cpuid_read(&host->cpuid, vm->kvm_fd, leaf, e);
	if (!ret)
		ret = give_cpuid(&host->cpuid, vcpu_fds, nr_vcpus, e);
	return ret ? ret : msr_list_read(&host->msrs, vm->kvm_fd, vcpu_fds[0], msr, e);
}

int host_facts_open(struct host_facts **facts, const struct kvm_vm *vm, const int *vcpu_fds, uint32_t nr_vcpus,
		    const struct ref_vm_options *options, struct gw_error *e)
{
	int ret;

	*facts = calloc(1, sizeof(**facts));
	if (!*facts)
		return gw_error_set(e, -ENOMEM, "vCPUs", "no memory for what they are");
	ret = find_out(&(*facts)->host, vm, vcpu_fds, nr_vcpus, options, e);
	(*facts)->guest = (*facts)->host;
	(*facts)->scales_tsc = ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0;
	if (ret) {
		host_facts_close(*facts);
		*facts = NULL;
	}
	return ret;
}

void host_facts_close(struct host_facts *facts)
{
	free(facts);
}

const struct msr_list *host_facts_msrs(const struct host_facts *facts)
{
	return &facts->guest.msrs;
}

uint64_t host_facts_tsc_khz(const struct host_facts *facts)
{
	return facts->guest.tsc_khz;
}

void host_facts_encode(const struct host_facts *facts, struct blob_out *out)
{
	const struct facts *guest = &facts->guest;

	blob_put_u32(out, MAGIC);
	blob_put_u32(out, VERSION);
	blob_put_u32(out, guest->kind);
	blob_put_u32(out, guest->nr_vcpus);
	blob_put_u32(out, guest->tsc_khz);
	blob_put_u32(out, guest->xsave_bytes);
	guest_cpuid_encode(&guest->cpuid, out);
	blob_put_u32(out, guest->msrs.nr);
	for (uint32_t i = 0; i < guest->msrs.nr; i++)
		blob_put_u32(out, guest->msrs.index[i]);
}

static int decode(struct facts *guest, struct blob_in *in)
{
	uint32_t magic = blob_get_u32(in), version = blob_get_u32(in);

	memset(guest, 0, sizeof(*guest));
	guest->kind = blob_get_u32(in);
	guest->nr_vcpus = blob_get_u32(in);
	guest->tsc_khz = blob_get_u32(in);
	guest->xsave_bytes = blob_get_u32(in);
	if (in->bad || magic != MAGIC || version != VERSION || guest->kind > GUEST_LINUX || !guest->tsc_khz)
		return -EBADMSG;
	if (guest_cpuid_decode(&guest->cpuid, in))
		return -EBADMSG;
	guest->msrs.nr = blob_get_u32(in);
	if (in->bad || guest->msrs.nr > MSR_LIST_MAX)
		return -EBADMSG;
	for (uint32_t i = 0; i < guest->msrs.nr; i++) {
		guest->msrs.index[i] = blob_get_u32(in);
		if (i && guest->msrs.index[i] <= guest->msrs.index[i - 1])
			return -EBADMSG;
	}
	return in->bad ? -EBADMSG : 0;
}

ssize_t host_facts_needs(const struct host_facts *facts, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct blob_out out = { .buf = buf, .size_bytes = size_bytes };

	host_facts_encode(facts, &out);
	return (ssize_t)out.used_bytes;
}

static void compare_tsc(const struct host_facts *facts, const struct facts *guest, struct lacks *lacks)
{
	uint64_t here = facts->host.tsc_khz, there = guest->tsc_khz;
	uint64_t apart = here > there ? here - there : there - here;

	if (!facts->scales_tsc && apart * 1000000 > here * TOLERANCE_PPM)
		lacks_add(lacks, "TSC",
			  "the guest's counts %u kHz, this host's %u, and KVM cannot scale it here: move it to a host "
			  "with the same rate",
			  guest->tsc_khz, facts->host.tsc_khz);
}

static void compare(const struct host_facts *facts, const struct facts *guest, struct lacks *lacks)
{
	char where[GW_ERROR_WHERE_BYTES];

	if (guest->kind != facts->host.kind)
		lacks_add(lacks, "guest", "it is %s: start this VM %s --kernel",
			  guest->kind == GUEST_LINUX ? "a Linux kernel" : "the bare one",
			  guest->kind == GUEST_LINUX ? "with" : "without");
	if (guest->nr_vcpus != facts->host.nr_vcpus)
		lacks_add(lacks, "vCPUs", "the guest has %u of them, and %u here: start this VM with --vcpus %u",
			  guest->nr_vcpus, facts->host.nr_vcpus, guest->nr_vcpus);
	if (guest->xsave_bytes > facts->host.xsave_bytes)
		lacks_add(lacks, "XSAVE",
			  "the guest's area has %u bytes, and %u here: move it to a host with a larger one",
			  guest->xsave_bytes, facts->host.xsave_bytes);
	compare_tsc(facts, guest, lacks);
	guest_cpuid_lacks(&guest->cpuid, &facts->host.cpuid, lacks);
	for (uint32_t i = 0; i < guest->msrs.nr; i++) {
		if (msr_list_has(&facts->host.msrs, guest->msrs.index[i]))
			continue;
		snprintf(where, sizeof(where), "MSR 0x%x", guest->msrs.index[i]);
		lacks_add(lacks, where,
			  "it is state of the guest, and KVM has it not here: move it to a host with the same CPU and "
			  "kernel");
	}
}

int host_facts_lacks(const struct host_facts *facts, const void *needs, size_t size_bytes, struct gw_blocker *blockers,
		     uint32_t max_blockers)
{
	static const char threads[] = "threads"; /* ref/guest/threads.c */
	struct blob_in in = { .at = needs, .left_bytes = size_bytes };
	struct lacks lacks = { .blockers = blockers, .max = max_blockers };
	struct facts *guest = malloc(sizeof(*guest));

	if (!guest)
		return -ENOMEM;
	if (size_bytes == sizeof(threads) && !memcmp(needs, threads, sizeof(threads)))
		lacks_add(&lacks, "vCPUs", "they are threads, and KVM's here: start this VM with --cpu thread");
	else if (decode(guest, &in) || !blob_ended(&in))
		lacks_add(&lacks, "vCPUs",
			  "the source does not say what they need: both sides must be of one version of this VM");
	else
		compare(facts, guest, &lacks);
	free(guest);
	return (int)lacks.nr;
}

/* The rate first: the TSC is set in it. */
static int adopt(struct host_facts *facts, const struct facts *guest, const int *vcpu_fds, uint32_t nr_vcpus,
		 struct gw_error *e)
{
	struct gw_blocker blocker = { 0 };
	struct lacks lacks = { .blockers = &blocker, .max = 1 };

	compare(facts, guest, &lacks);
	if (lacks.nr)
		return gw_error_set(e, -ENOTSUP, blocker.where, "%s", blocker.what);
	for (uint32_t i = 0; i < nr_vcpus; i++)
		if (guest->tsc_khz != facts->guest.tsc_khz && ioctl(vcpu_fds[i], KVM_SET_TSC_KHZ, guest->tsc_khz))
			return gw_error_set(e, -errno, "vCPUs", "KVM_SET_TSC_KHZ to %u: %s", guest->tsc_khz,
					    strerror(errno));
	facts->guest = *guest;
	return give_cpuid(&guest->cpuid, vcpu_fds, nr_vcpus, e);
}

int host_facts_load(struct host_facts *facts, struct blob_in *in, const int *vcpu_fds, uint32_t nr_vcpus,
		    struct gw_error *e)
{
	struct facts *guest = malloc(sizeof(*guest));
	int ret;

	if (!guest)
		return gw_error_set(e, -ENOMEM, "vCPUs", "no memory for what they are");
	if (decode(guest, in))
		ret = gw_error_set(e, -EBADMSG, "vCPUs", "what came is not what a guest needs");
	else
		ret = adopt(facts, guest, vcpu_fds, nr_vcpus, e);
	free(guest);
	return ret;
}
