/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest needs of a host: told, compared, refused by name, and taken over. */
#include "vcpu_rig.h"

#include "ref/kvm/guest_cpuid.h"

struct needs {
	uint8_t bytes[GW_MAX_NEEDS_BYTES];
	size_t size_bytes;
};

static struct needs needs_of(const struct vcpu_rig *rig)
{
	struct needs needs;
	ssize_t ret = host_facts_needs(rig->facts, needs.bytes, sizeof(needs.bytes), NULL);

	assert_true(ret > 0 && ret <= (ssize_t)sizeof(needs.bytes));
	assert_int_equal(host_facts_needs(rig->facts, NULL, 0, NULL), ret);
	needs.size_bytes = (size_t)ret;
	return needs;
}

static int lacks_of(const struct vcpu_rig *rig, const struct needs *needs, struct gw_blocker *blockers, uint32_t max)
{
	return host_facts_lacks(rig->facts, needs->bytes, needs->size_bytes, blockers, max);
}

static void put(struct needs *needs, size_t at, uint32_t value)
{
	memcpy(needs->bytes + at, &value, sizeof(value));
}

static void test_same_host_lacks_nothing(void **state)
{
	struct vcpu_rig here, there;
	struct needs needs;

	open_rig(&there, NULL);
	open_rig(&here, NULL);
	needs = needs_of(&there);
	assert_int_equal(lacks_of(&here, &needs, NULL, 0), 0);
	close_rig(&here);
	close_rig(&there);
}

static void test_msr_that_is_hidden(void **state)
{
	struct gw_blocker blocker = { 0 };
	struct vcpu_rig here, there;
	struct needs needs;

	open_rig(&there, NULL);
	open_rig(&here, "msr:0x277");
	assert_true(msr_list_has(host_facts_msrs(there.facts), 0x277));
	assert_false(msr_list_has(host_facts_msrs(here.facts), 0x277));
	needs = needs_of(&there);
	assert_int_equal(lacks_of(&here, &needs, &blocker, 1), 1);
	assert_string_equal(blocker.where, "MSR 0x277");
	assert_non_null(strstr(blocker.what, "move it to"));
	/* who lacks it tells no need of it, so the other way it goes */
	needs = needs_of(&here);
	assert_int_equal(lacks_of(&there, &needs, &blocker, 1), 0);
	close_rig(&here);
	close_rig(&there);
}

/* Each bit of the leaf's register is one lack, and max_blockers is all that is written. */
static void test_leaf_that_is_hidden(void **state)
{
	struct gw_blocker blockers[GW_MAX_BLOCKERS] = { 0 };
	struct vcpu_rig here, there;
	struct needs needs;
	int nr, nr_syscall = 0;

	open_rig(&there, NULL);
	open_rig(&here, "cpuid:0x80000001");
	needs = needs_of(&there);
	nr = lacks_of(&here, &needs, blockers, 2);
	assert_true(nr >= 3 && nr <= GW_MAX_BLOCKERS); /* syscall, nx, lm */
	assert_int_equal(blockers[2].where[0], 0);
	assert_int_equal(lacks_of(&here, &needs, blockers, GW_MAX_BLOCKERS), nr);
	for (int i = 0; i < nr; i++) {
		assert_int_equal(strncmp(blockers[i].where, "CPUID 0x80000001.0 e", 20), 0);
		nr_syscall += strstr(blockers[i].what, "feature bit 11 (syscall)") != NULL;
	}
	assert_int_equal(nr_syscall, 1);
	close_rig(&here);
	close_rig(&there);
}

static void test_what_can_be_left_out(void **state)
{
	static const char *const bad[] = { "",       "msr",      "msr:",   "msr:0", "msr:x", "msr:1ffffffff",
					   "cpuid:", "cpuid:7z", "msrs:1", "slots" };
	struct host_facts *facts;
	struct vcpu_rig rig;

	open_rig(&rig, "slot");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct gw_error e = GW_ERROR_NONE;

		rig.options.lack = bad[i];
		assert_int_equal(host_facts_open(&facts, &rig.vm, rig.fds, NR_VCPUS, &rig.options, &e), -EINVAL);
		assert_null(facts);
		assert_non_null(strstr(e.what, "msr:NUMBER"));
	}
	close_rig(&rig);
}

/* Byte 8: kind, 12: vCPUs, 16: kHz, 20: XSAVE's size. */
static void test_guest_of_another_shape(void **state)
{
	static const struct {
		size_t at;
		uint32_t value;
		const char *where, *what;
	} rows[] = {
		{ 8, GUEST_LINUX, "guest", "start this VM with --kernel" },
		{ 12, 4, "vCPUs", "start this VM with --vcpus 4" },
		{ 16, 1, "TSC", "counts 1 kHz" },
		{ 20, 99999, "XSAVE", "99999 bytes" },
	};
	struct vcpu_rig rig;

	open_rig(&rig, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gw_blocker blocker = { 0 };
		struct needs needs = needs_of(&rig);

		put(&needs, rows[i].at, rows[i].value);
		if (rows[i].at == 16 && ioctl(rig.vm.vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0)
			continue;
		assert_int_equal(lacks_of(&rig, &needs, &blocker, 1), 1);
		assert_string_equal(blocker.where, rows[i].where);
		assert_non_null(strstr(blocker.what, rows[i].what));
	}
	rig.options.kernel_path = "/boot/vmlinuz";
	close_rig(&rig);
}

static void test_linux_guest_here(void **state)
{
	struct gw_blocker blocker = { 0 };
	struct vcpu_rig here, there;
	struct needs needs;

	open_rig(&there, NULL);
	open_vm(&here);
	here.options.kernel_path = "bzImage";
	assert_int_equal(host_facts_open(&here.facts, &here.vm, here.fds, NR_VCPUS, &here.options, NULL), 0);
	needs = needs_of(&there);
	assert_int_equal(lacks_of(&here, &needs, &blocker, 1), 1);
	assert_non_null(strstr(blocker.what, "start this VM without --kernel"));
	close_rig(&here);
	close_rig(&there);
}

/* Of a rate a little off KVM makes nothing. */
static void test_rate_within_tolerance(void **state)
{
	struct vcpu_rig rig;
	struct needs needs;

	open_rig(&rig, NULL);
	needs = needs_of(&rig);
	put(&needs, 16, (uint32_t)(host_facts_tsc_khz(rig.facts) + host_facts_tsc_khz(rig.facts) / 10000));
	assert_int_equal(lacks_of(&rig, &needs, NULL, 0), 0);
	close_rig(&rig);
}

static void test_needs_of_others(void **state)
{
	struct gw_blocker blocker = { 0 };
	struct vcpu_rig rig;

	open_rig(&rig, NULL);
	assert_int_equal(host_facts_lacks(rig.facts, "threads", sizeof("threads"), &blocker, 1), 1);
	assert_non_null(strstr(blocker.what, "--cpu thread"));
	assert_int_equal(host_facts_lacks(rig.facts, "", 0, &blocker, 1), 1);
	assert_non_null(strstr(blocker.what, "does not say"));
	close_rig(&rig);
}

/* Of bytes that were cut or changed: one lack or more, or none if it does not matter; never more than that. */
static void test_broken_needs(void **state)
{
	struct gw_blocker blockers[GW_MAX_BLOCKERS];
	struct needs needs, broken;
	struct vcpu_rig rig;

	open_rig(&rig, NULL);
	needs = needs_of(&rig);
	for (size_t cut = 0; cut < needs.size_bytes; cut++) {
		uint8_t *exact = malloc(cut ? cut : 1); /* so that a sanitizer sees where it ends */

		assert_non_null(exact);
		memcpy(exact, needs.bytes, cut);
		assert_int_equal(host_facts_lacks(rig.facts, exact, cut, blockers, 1), 1);
		free(exact);
	}
	for (size_t bit = 0; bit < needs.size_bytes * 8; bit++) {
		broken = needs;
		broken.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(lacks_of(&rig, &broken, blockers, GW_MAX_BLOCKERS) >= 0);
	}
	close_rig(&rig);
}

/* More of anything than there is room for, with all the bytes that it would take; bytes too many; MSRs not rising. */
static void test_counts_of_needs(void **state)
{
	struct gw_blocker blocker;
	struct needs needs, broken;
	struct vcpu_rig rig;
	size_t msrs_at;

	open_rig(&rig, NULL);
	needs = needs_of(&rig);
	memset(needs.bytes + needs.size_bytes, 0, sizeof(needs.bytes) - needs.size_bytes);
	msrs_at = needs.size_bytes - 4 * host_facts_msrs(rig.facts)->nr;
	for (int i = 0; i < 4; i++) {
		broken = needs;
		if (i == 0) {
			memset(broken.bytes + 28, 0, sizeof(broken.bytes) - 28);
			put(&broken, 24, 500);
		}
		if (i == 1) {
			put(&broken, msrs_at - 4, 2048);
			for (uint32_t nr = 0; nr < 2048; nr++)
				put(&broken, msrs_at + 4 * nr, nr + 1);
		}
		if (i == 2)
			put(&broken, msrs_at, UINT32_MAX);
		broken.size_bytes = i == 3 ? needs.size_bytes + 1 : i < 2 ? sizeof(needs.bytes) : needs.size_bytes;
		assert_int_equal(lacks_of(&rig, &broken, &blocker, 1), 1);
		assert_non_null(strstr(blocker.what, "does not say"));
	}
	close_rig(&rig);
}

static int load(struct vcpu_rig *rig, const struct needs *needs, struct gw_error *e)
{
	struct blob_in in = { .at = needs->bytes, .left_bytes = needs->size_bytes };

	return host_facts_load(rig->facts, &in, rig->fds, NR_VCPUS, e);
}

static struct kvm_cpuid2 *cpuid_of(int vcpu_fd)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 256 * sizeof(cpuid->entries[0]));

	assert_non_null(cpuid);
	cpuid->nent = 256;
	assert_int_equal(ioctl(vcpu_fd, KVM_GET_CPUID2, cpuid), 0);
	return cpuid;
}

/* The guest keeps the CPUID and the list of MSRs with which it started, and needs them of the next host. */
static void test_load(void **state)
{
	struct gw_error e = GW_ERROR_NONE;
	struct needs before, after;
	struct vcpu_rig here, there;

	open_rig(&there, "cpuid:7");
	open_rig(&here, NULL);
	before = needs_of(&there);
	after = needs_of(&here);
	assert_true(before.size_bytes < after.size_bytes);
	assert_int_equal(load(&here, &before, &e), 0);
	after = needs_of(&here);
	assert_int_equal(before.size_bytes, after.size_bytes);
	assert_memory_equal(before.bytes, after.bytes, before.size_bytes);
	for (int i = 0; i < NR_VCPUS; i++) {
		struct kvm_cpuid2 *a = cpuid_of(here.fds[i]), *b = cpuid_of(there.fds[i]);

		assert_int_equal(a->nent, b->nent);
		assert_memory_equal(a->entries, b->entries, a->nent * sizeof(a->entries[0]));
		free(a);
		free(b);
	}
	close_rig(&here);
	close_rig(&there);
}

/* It looks again: what lacks has refused does not get in by another way. */
static void test_load_of_what_is_lacking(void **state)
{
	struct gw_error e = GW_ERROR_NONE, bad = GW_ERROR_NONE;
	struct vcpu_rig here, there;
	struct needs needs;

	open_rig(&there, NULL);
	open_rig(&here, "msr:277");
	needs = needs_of(&there);
	assert_int_equal(load(&here, &needs, &e), -ENOTSUP);
	assert_string_equal(e.where, "MSR 0x277");
	needs.size_bytes--;
	assert_int_equal(load(&here, &needs, &bad), -EBADMSG);
	close_rig(&here);
	close_rig(&there);
}

/* No VMX, SVM, counters or machine checks, no threads in a package; of KVM's offers its clock. */
static void test_what_a_guest_is_shown(void **state)
{
	struct guest_cpuid cpuid;
	struct vcpu_rig rig;
	struct needs needs;
	struct blob_in in;
	int nr = 0;

	open_rig(&rig, NULL);
	needs = needs_of(&rig);
	in = (struct blob_in){ .at = needs.bytes + 24, .left_bytes = needs.size_bytes - 24 };
	assert_int_equal(guest_cpuid_decode(&cpuid, &in), 0);
	for (uint32_t i = 0; i < cpuid.nr; i++) {
		const struct kvm_cpuid_entry2 *entry = &cpuid.entries[i];

		assert_true((entry->function) != 0xa);
		if (entry->function == 1) {
			assert_int_equal(entry->ebx & 0xffff0000, 0);
			assert_int_equal(entry->ecx & (1u << 31 | 1u << 5), 1u << 31);
			assert_int_equal(entry->edx & (1u << 7 | 1u << 14 | 1u << 28), 0);
			nr++;
		}
		if (entry->function == 0x40000001) {
			assert_int_equal(entry->eax & ~(1u << 0 | 1u << 1 | 1u << 3 | 1u << 24), 0);
			assert_true((entry->eax & 1u << 3) != 0);
			nr++;
		}
		if (entry->function == 0x80000001)
			assert_int_equal(entry->ecx & 1u << 2, 0);
	}
	assert_int_equal(nr, 2);
	close_rig(&rig);
}

static void test_apic_ids(void **state)
{
	struct vcpu_rig rig;

	open_rig(&rig, NULL);
	for (uint32_t vcpu = 0; vcpu < NR_VCPUS; vcpu++) {
		struct kvm_cpuid2 *cpuid = cpuid_of(rig.fds[vcpu]);
		int nr = 0;

		for (uint32_t i = 0; i < cpuid->nent; i++) {
			const struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

			if (entry->function == 1)
				assert_int_equal(entry->ebx >> 16, vcpu << 8 | 1);
			if (entry->function == 0xb)
				assert_int_equal(entry->edx, vcpu);
			nr += entry->function == 1 || entry->function == 0xb;
		}
		assert_int_equal(nr, 3);
		free(cpuid);
	}
	close_rig(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_host_lacks_nothing),
		cmocka_unit_test(test_msr_that_is_hidden),
		cmocka_unit_test(test_leaf_that_is_hidden),
		cmocka_unit_test(test_what_can_be_left_out),
		cmocka_unit_test(test_guest_of_another_shape),
		cmocka_unit_test(test_linux_guest_here),
		cmocka_unit_test(test_rate_within_tolerance),
		cmocka_unit_test(test_needs_of_others),
		cmocka_unit_test(test_broken_needs),
		cmocka_unit_test(test_counts_of_needs),
		cmocka_unit_test(test_load),
		cmocka_unit_test(test_load_of_what_is_lacking),
		cmocka_unit_test(test_what_a_guest_is_shown),
		cmocka_unit_test(test_apic_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
