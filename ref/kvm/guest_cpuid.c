/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPUID that a guest is shown. */
#include "ref/kvm/guest_cpuid.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define KERNEL_ENTRIES 256
#define TOPOLOGY       0xb
#define PHYSICAL_BITS  0x80000008

enum reg { EAX, EBX, ECX, EDX };

static const char *const reg_names[] = { "eax", "ebx", "ecx", "edx" };

#define BIT(n) (1u << (n))

/* What the guest is shown of a register. */
static const struct edit {
	uint32_t function, index;
	enum reg reg;
	uint32_t keep, add;
} edits[] = {
	/* one thread a package, and no APIC id yet */
	{ 1, 0, EBX, 0xffff, 0 },
	/* not debug store, MONITOR, VMX, SMX, PDCM, OSXSAVE (the guest's to set); a hypervisor is here */
	{ 1, 0, ECX, ~(BIT(2) | BIT(3) | BIT(5) | BIT(6) | BIT(15) | BIT(27)), BIT(31) },
	/* not machine checks (their banks are in no list of KVM's), debug store, several threads a package */
	{ 1, 0, EDX, ~(BIT(7) | BIT(14) | BIT(21) | BIT(28)), 0 },
	{ 7, 0, EBX, ~(BIT(2) | BIT(25)), 0 },            /* not SGX, Processor Trace */
	{ 7, 0, ECX, ~(BIT(4) | BIT(30)), 0 },            /* not OSPKE (the guest's to set), SGX */
	{ 7, 0, EDX, ~(BIT(18) | BIT(19) | BIT(29)), 0 }, /* not PCONFIG, LBR; ARCH_CAPABILITIES tells of this host */
	{ 0x40000000, 0, EAX, 0, 0x40000001 },
	{ 0x40000001, 0, EAX, BIT(0) | BIT(1) | BIT(3) | BIT(24), 0 }, /* kvmclock; no delay for port 0x80 */
	{ 0x80000001, 0, ECX, ~(BIT(2) | BIT(22) | BIT(23) | BIT(24) | BIT(28)), 0 }, /* not SVM, topology, counters */
	{ 0x80000001, 0, EDX, ~BIT(28), 0 },
	{ PHYSICAL_BITS, 0, ECX, 0, 0 },
};

/*
 * Leaves that are not shown at all: MONITOR, counters, both topologies of this host, SGX, Processor Trace; of AMD's the
 * nested ones, cache topology, topology, encryption, counters.
 */
static const uint32_t dropped[] = { 5,          0xa,        TOPOLOGY,   0x12,       0x14,      0x1f,
				    0x8000000a, 0x8000001d, 0x8000001e, 0x8000001f, 0x80000022 };

/* Registers in which a bit is a feature, and the names of those that people know: " BIT:NAME" each, and a space. */
static const struct feature_word {
	uint32_t function, index;
	enum reg reg;
	const char *names;
} feature_words[] = {
	{ 1, 0, ECX,
	  " 0:sse3 1:pclmulqdq 9:ssse3 12:fma 13:cx16 17:pcid 19:sse4.1 20:sse4.2 21:x2apic 22:movbe 23:popcnt "
	  "24:tsc-deadline 25:aes 26:xsave 28:avx 29:f16c 30:rdrand " },
	{ 1, 0, EDX, " 4:tsc 6:pae 12:mtrr 16:pat 25:sse 26:sse2 " },
	{ 6, 0, EAX, " 2:arat " },
	{ 7, 0, EBX,
	  " 0:fsgsbase 1:tsc-adjust 3:bmi1 5:avx2 7:smep 8:bmi2 9:erms 10:invpcid 16:avx512f 18:rdseed 19:adx 20:smap "
	  "23:clflushopt 24:clwb 29:sha " },
	{ 7, 0, ECX, " 2:umip 3:pku 5:waitpkg 16:la57 22:rdpid " },
	{ 7, 0, EDX, " 4:fsrm 26:spec-ctrl 31:ssbd " },
	{ 7, 1, EAX, "" },
	{ 7, 1, EDX, "" },
	{ 7, 2, EDX, "" },
	{ 0xd, 0, EAX, " 0:xcr0-x87 1:xcr0-sse 2:xcr0-avx 5:xcr0-opmask 6:xcr0-zmm 7:xcr0-hi16-zmm 9:xcr0-pku " },
	{ 0xd, 0, EDX, "" },
	{ 0xd, 1, EAX, " 0:xsaveopt 1:xsavec 3:xsaves " },
	{ 0xd, 1, ECX, "" },
	{ 0x40000001, 0, EAX, " 0:kvmclock 3:kvmclock2 24:kvmclock-stable " },
	{ 0x80000001, 0, ECX, " 0:lahf-lm 5:abm " },
	{ 0x80000001, 0, EDX, " 11:syscall 20:nx 26:pdpe1gb 27:rdtscp 29:lm " },
	{ 0x80000007, 0, EDX, " 8:invtsc " },
	{ PHYSICAL_BITS, 0, EBX, "" },
	{ 0x80000021, 0, EAX, "" },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void lacks_add(struct lacks *lacks, const char *where, const char *fmt, ...)
{
	va_list args;

	if (lacks->nr < lacks->max) {
		struct gw_blocker *blocker = &lacks->blockers[lacks->nr];

		snprintf(blocker->where, sizeof(blocker->where), "%s", where);
		va_start(args, fmt);
		vsnprintf(blocker->what, sizeof(blocker->what), fmt, args);
		va_end(args);
	}
	lacks->nr++;
}

static uint32_t *reg_of(struct kvm_cpuid_entry2 *entry, enum reg reg)
{
	switch (reg) {
	case EAX:
		return &entry->eax;
	case EBX:
		return &entry->ebx;
	case ECX:
		return &entry->ecx;
	default:
		return &entry->edx;
	}
}

/* A leaf that is not there reads as zero, here as in KVM. */
static struct kvm_cpuid_entry2 find(const struct guest_cpuid *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->nr; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index == index)
			return cpuid->entries[i];
	return (struct kvm_cpuid_entry2){ .function = function, .index = index };
}

static int is_shown(const struct kvm_cpuid_entry2 *entry, uint32_t hidden)
{
	for (size_t i = 0; i < COUNT(dropped); i++)
		if (entry->function == dropped[i])
			return 0;
	return entry->function != hidden && (entry->eax || entry->ebx || entry->ecx || entry->edx);
}

static void edit(struct kvm_cpuid_entry2 *entry, int kvm_fd)
{
	for (size_t i = 0; i < COUNT(edits); i++)
		if (edits[i].function == entry->function && edits[i].index == entry->index) {
			uint32_t *reg = reg_of(entry, edits[i].reg);

			*reg = (*reg & edits[i].keep) | edits[i].add;
		}
	/* KVM's own, and older ones do not say so in the leaf */
	if (entry->function == 1 && ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		entry->ecx |= BIT(24);
	if (entry->function == 4) /* caches: shared with nobody */
		entry->eax &= 0x3fff;
}

static int choose(struct guest_cpuid *cpuid, const struct kvm_cpuid2 *supported, int kvm_fd, uint32_t hidden,
		  struct gw_error *e)
{
	/* A level of threads, a level of cores, one of each: shifts are 0. */
	static const struct kvm_cpuid_entry2 topology[] = {
		{ .function = TOPOLOGY, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 1, .ecx = 0x100 },
		{ .function = TOPOLOGY, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .ebx = 1, .ecx = 0x201 },
	};

	cpuid->nr = 0;
	for (uint32_t i = 0; i < supported->nent; i++) {
		struct kvm_cpuid_entry2 entry = supported->entries[i];

		edit(&entry, kvm_fd);
		if (!is_shown(&entry, hidden))
			continue;
		if (cpuid->nr + COUNT(topology) >= GUEST_CPUID_MAX)
			return gw_error_set(e, -E2BIG, "vCPUs",
					    "KVM supports more CPUID leaves here than this VM can take");
		cpuid->entries[cpuid->nr++] = entry;
	}
	memcpy(&cpuid->entries[cpuid->nr], topology, sizeof(topology));
	cpuid->nr += COUNT(topology);
	return 0;
}

int guest_cpuid_read(struct guest_cpuid *cpuid, int kvm_fd, uint32_t hidden, struct gw_error *e)
{
	struct kvm_cpuid2 *supported;
	int ret;

	supported = calloc(1, sizeof(*supported) + KERNEL_ENTRIES * sizeof(supported->entries[0]));
	if (!supported)
		return gw_error_set(e, -ENOMEM, "vCPUs", "no memory for their CPUID");
	supported->nent = KERNEL_ENTRIES;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, supported))
		ret = gw_error_set(e, -errno, "vCPUs", "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
	else
		ret = choose(cpuid, supported, kvm_fd, hidden, e);
	free(supported);
	return ret;
}

int guest_cpuid_give(const struct guest_cpuid *cpuid, int vcpu_fd, uint32_t index, struct gw_error *e)
{
	struct kvm_cpuid2 *own = calloc(1, sizeof(*own) + sizeof(cpuid->entries));
	int ret = 0;

	if (!own)
		return gw_error_set(e, -ENOMEM, "vCPUs", "no memory for their CPUID");
	own->nent = cpuid->nr;
	memcpy(own->entries, cpuid->entries, cpuid->nr * sizeof(own->entries[0]));
	for (uint32_t i = 0; i < own->nent; i++) {
		if (own->entries[i].function == 1)
			own->entries[i].ebx = (own->entries[i].ebx & 0xffff) | BIT(16) | index << 24;
		if (own->entries[i].function == TOPOLOGY)
			own->entries[i].edx = index;
	}
	if (ioctl(vcpu_fd, KVM_SET_CPUID2, own))
		ret = gw_error_set(e, -errno, "vCPUs", "KVM_SET_CPUID2 of vCPU %u: %s", index, strerror(errno));
	free(own);
	return ret;
}

static void add_missing(const struct feature_word *word, int bit, struct lacks *lacks)
{
	char where[GW_ERROR_WHERE_BYTES], key[8];
	const char *name;

	snprintf(where, sizeof(where), "CPUID 0x%x.%u %s", word->function, word->index, reg_names[word->reg]);
	snprintf(key, sizeof(key), " %d:", bit);
	name = strstr(word->names, key);
	name = name ? name + strlen(key) : "unnamed";
	lacks_add(lacks, where,
		  "the guest was shown feature bit %d (%.*s), and this host has it not: move it to a host that has",
		  bit, (int)strcspn(name, " "), name);
}

static void compare_word(const struct feature_word *word, const struct guest_cpuid *guest,
			 const struct guest_cpuid *host, struct lacks *lacks)
{
	struct kvm_cpuid_entry2 shown = find(guest, word->function, word->index);
	struct kvm_cpuid_entry2 here = find(host, word->function, word->index);
	uint32_t missing = *reg_of(&shown, word->reg) & ~*reg_of(&here, word->reg);

	for (int bit = 0; bit < 32; bit++)
		if (missing & BIT(bit))
			add_missing(word, bit, lacks);
}

/* What must be the same, or large enough, to go on with. */
static void compare_leaf(const struct kvm_cpuid_entry2 *shown, const struct guest_cpuid *host, struct lacks *lacks)
{
	struct kvm_cpuid_entry2 here = find(host, shown->function, shown->index);
	char where[GW_ERROR_WHERE_BYTES];

	snprintf(where, sizeof(where), "CPUID 0x%x.%u", shown->function, shown->index);
	if (shown->function == 0 && (shown->ebx != here.ebx || shown->ecx != here.ecx || shown->edx != here.edx))
		lacks_add(lacks, where, "this host's CPU is of another maker: move the guest to one of the same");
	if (shown->function == 0xd && shown->index >= 2 && (shown->eax != here.eax || shown->ebx != here.ebx))
		lacks_add(lacks, where,
			  "state %u of its XSAVE area is %u bytes at %u, and %u at %u here: move it to a CPU of the "
			  "same kind",
			  shown->index, shown->eax, shown->ebx, here.eax, here.ebx);
	if (shown->function == PHYSICAL_BITS && (shown->eax & 0xff) > (here.eax & 0xff))
		lacks_add(lacks, where,
			  "the guest's physical addresses have %u bits, and %u here: move it to a host with as many",
			  shown->eax & 0xff, here.eax & 0xff);
}

void guest_cpuid_lacks(const struct guest_cpuid *guest, const struct guest_cpuid *host, struct lacks *lacks)
{
	for (uint32_t i = 0; i < guest->nr; i++)
		compare_leaf(&guest->entries[i], host, lacks);
	for (size_t i = 0; i < COUNT(feature_words); i++)
		compare_word(&feature_words[i], guest, host, lacks);
}

void guest_cpuid_encode(const struct guest_cpuid *cpuid, struct blob_out *out)
{
	blob_put_u32(out, cpuid->nr);
	for (uint32_t i = 0; i < cpuid->nr; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];
		const uint32_t words[] = { entry->function, entry->index, entry->flags, entry->eax,
					   entry->ebx,      entry->ecx,   entry->edx };

		for (size_t j = 0; j < COUNT(words); j++)
			blob_put_u32(out, words[j]);
	}
}

int guest_cpuid_decode(struct guest_cpuid *cpuid, struct blob_in *in)
{
	uint32_t nr = blob_get_u32(in);

	memset(cpuid, 0, sizeof(*cpuid));
	if (in->bad || nr > GUEST_CPUID_MAX)
		return -EBADMSG;
	for (cpuid->nr = 0; cpuid->nr < nr; cpuid->nr++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[cpuid->nr];
		uint32_t *const words[] = { &entry->function, &entry->index, &entry->flags, &entry->eax,
					    &entry->ebx,      &entry->ecx,   &entry->edx };

		for (size_t i = 0; i < COUNT(words); i++)
			*words[i] = blob_get_u32(in);
		if (in->bad || entry->flags & ~KVM_CPUID_FLAG_SIGNIFCANT_INDEX)
			return -EBADMSG;
	}
	return 0;
}
