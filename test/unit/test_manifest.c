/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What speaks against a migration: each rule broken alone gives its one reason with a sentence that names what and
 * where; several broken at once are all told; what is no rule (order, revision, what a side does not know) is not.
 */
#include "model/manifest.h"

#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL_FLAGS (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)

static const struct manifest pair = {
	.vm_name = "guest",
	.page_bytes = GW_PAGE_BYTES,
	.nr_ram = 2,
	.nr_devices = 2,
	.ram = { { "low", 0, 2 * GIB }, { "high", 4 * GIB, GIB } },
	.devices = {
		{ .id = "dev0", .info = { .migration_flags = ALL_FLAGS, .features = GW_FEATURE_PRECOPY_INFO,
					  .vendor_id = 0x6764, .device_id = 1, .subsystem_vendor_id = 0x6764,
					  .subsystem_device_id = 2, .class_revision = 0x08800001,
					  .backend = "vfio-user" } },
		{ .id = "dev1", .info = { .migration_flags = ALL_FLAGS, .features = GW_FEATURE_PRECOPY_INFO,
					  .vendor_id = 0x15b3, .device_id = 0x101e, .class_revision = 0x02000000,
					  .backend = "kernel cdev" } },
	},
};

struct fixture {
	struct manifest source, own;
	struct reasons reasons;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->source = f->own = pair;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void expect_only(const struct fixture *f, uint32_t code, const char *where, const char *part)
{
	if (f->reasons.nr != 1)
		fail_msg("%u reasons, the first: %s", f->reasons.nr, f->reasons.list[0].what);
	assert_string_equal(reason_code_name(f->reasons.list[0].code), reason_code_name(code));
	assert_string_equal(f->reasons.list[0].where, where);
	if (!strstr(f->reasons.list[0].what, part))
		fail_msg("\"%s\" lacks \"%s\"", f->reasons.list[0].what, part);
}

static void test_nothing_to_say(void **state)
{
	struct fixture *f = *state;

	manifest_check_source(&f->source, 0, &f->reasons);
	manifest_compare(&f->source, &f->own, &f->reasons);
	assert_int_equal(f->reasons.nr, 0);
}

/* The source alone: dev0 (vfio-user) with these flags and features; the other device stays whole. */
static const struct source_case {
	const char *backend;
	uint32_t migration_flags, features, allow;
	uint32_t code; /* REASON_NONE: taken */
	const char *part;
} source_cases[] = {
	{ "vfio-user", 0, 0, 0, REASON_NO_MIGRATION,
	  "the vfio-user server of dev0 offers no migration (feature 1): its state would be lost; "
	  "use a server that implements it, or unplug the device" },
	{ "kernel group", 0, 0, 0, REASON_NO_MIGRATION, "the kernel driver of dev0 offers no migration" },
	{ "ops", 0, 0, 0, REASON_NO_MIGRATION, "the VMM's device code of dev0" },
	{ "new", 0, 0, 0, REASON_NO_MIGRATION, "the back end of dev0" },
	{ "fd", GW_MIGRATION_P2P, 0, 0, REASON_NO_STOP_COPY, "without STOP_COPY (flags 0x2)" },
	{ "fd", GW_MIGRATION_STOP_COPY, 0, 0, REASON_NO_P2P, "2 devices" },
	{ "fd", GW_MIGRATION_STOP_COPY, 0, GW_ALLOW_NO_P2P, REASON_NONE, "" },
	{ "fd", ALL_FLAGS, 0, 0, REASON_NO_PRECOPY_INFO, "VFIO_MIG_GET_PRECOPY_INFO" },
	{ "ops", ALL_FLAGS, 0, 0, REASON_NO_PRECOPY_INFO, "the VMM's device code of dev0" },
	{ "vfio-user", ALL_FLAGS, 0, 0, REASON_NONE, "" }, /* the protocol has no such call */
	{ "fd", ALL_FLAGS & ~GW_MIGRATION_PRE_COPY, 0, 0, REASON_NONE, "" },
};

static void test_source(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(source_cases); i++) {
		const struct source_case *c = &source_cases[i];
		struct gw_device_info *info = &f->source.devices[0].info;

		f->reasons.nr = 0;
		info->migration_flags = c->migration_flags;
		info->features = c->features;
		strcpy(info->backend, c->backend);
		manifest_check_source(&f->source, c->allow, &f->reasons);
		if (c->code)
			expect_only(f, c->code, "dev0", c->part);
		else
			assert_int_equal(f->reasons.nr, 0);
	}
}

static void test_one_device_needs_no_p2p(void **state)
{
	struct fixture *f = *state;

	f->source.nr_devices = 1;
	f->source.devices[0].info.migration_flags = GW_MIGRATION_STOP_COPY;
	manifest_check_source(&f->source, 0, &f->reasons);
	assert_int_equal(f->reasons.nr, 0);
}

static void test_ram_that_cannot_be(void **state)
{
	static const struct manifest_ram wrong[] = {
		{ "low", 0, 0 },           { "low", 1, GIB }, { "low", 0, GIB + 1 }, { "low", 0 - 4096ull, 8192 },
		{ "low", 0, 0 - 4096ull },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong) - 1; i++) {
		f->reasons.nr = 0;
		f->source.ram[0] = wrong[i];
		manifest_check_source(&f->source, 0, &f->reasons);
		expect_only(f, REASON_OTHER, "low", "correct its RAM map");
	}
	f->reasons.nr = 0;
	f->source.ram[0] = wrong[4];
	manifest_check_source(&f->source, 0, &f->reasons);
	assert_int_equal(f->reasons.nr, 2); /* the block, and the sum */
	assert_non_null(strstr(f->reasons.list[1].what, "64 TiB"));
}

static void test_order_does_not_matter(void **state)
{
	struct fixture *f = *state;

	f->own.ram[0] = pair.ram[1];
	f->own.ram[1] = pair.ram[0];
	f->own.devices[0] = pair.devices[1];
	f->own.devices[1] = pair.devices[0];
	manifest_compare(&f->source, &f->own, &f->reasons);
	assert_int_equal(f->reasons.nr, 0);
}

static void test_ram_differs(void **state)
{
	struct fixture *f = *state;

	f->own.ram[1].size_bytes = 2 * GIB;
	manifest_compare(&f->source, &f->own, &f->reasons);
	expect_only(f, REASON_RAM_DIFFERS, "high",
		    "is 0x40000000 bytes at 0x100000000 on the source and 0x80000000 bytes at 0x100000000 on the dest");
	f->reasons.nr = 0;
	f->own = pair;
	f->own.ram[1].gpa = 8 * GIB;
	manifest_compare(&f->source, &f->own, &f->reasons);
	expect_only(f, REASON_RAM_DIFFERS, "high", "at 0x200000000 on the destination");
}

static void test_ram_missing(void **state)
{
	struct fixture *f = *state;

	f->own.nr_ram = 1;
	manifest_compare(&f->source, &f->own, &f->reasons);
	expect_only(f, REASON_RAM_MISSING, "high", "the destination has no RAM block \"high\"");
	f->reasons.nr = 0;
	manifest_compare(&f->own, &f->source, &f->reasons);
	expect_only(f, REASON_RAM_MISSING, "high", "the source has no RAM block \"high\"");
}

static void test_device_missing(void **state)
{
	struct fixture *f = *state;

	f->own.nr_devices = 1;
	manifest_compare(&f->source, &f->own, &f->reasons);
	expect_only(f, REASON_DEVICE_MISSING, "dev1", "the destination has no device dev1");
	f->reasons.nr = 0;
	manifest_compare(&f->own, &f->source, &f->reasons);
	expect_only(f, REASON_DEVICE_EXTRA, "dev1", "the source has no device dev1");
}

static void test_another_model(void **state)
{
	struct fixture *f = *state;
	struct gw_device_info *info = &f->own.devices[0].info;
	uint16_t *const ids[] = { &info->vendor_id, &info->device_id, &info->subsystem_vendor_id,
				  &info->subsystem_device_id };

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		f->own = pair;
		*ids[i] = 0x9999;
		f->reasons.nr = 0;
		manifest_compare(&f->source, &f->own, &f->reasons);
		expect_only(f, REASON_DEVICE_DIFFERS, "dev0", "9999");
		*ids[i] = 0; /* not known here */
		f->reasons.nr = 0;
		manifest_compare(&f->source, &f->own, &f->reasons);
		assert_int_equal(f->reasons.nr, 0);
	}
	f->own = pair;
	info->class_revision = 0x02000001;
	manifest_compare(&f->source, &f->own, &f->reasons);
	expect_only(f, REASON_DEVICE_DIFFERS, "dev0",
		    "dev0 is 6764:0001 (subsystem 6764:0002, class 088000) on the source and 6764:0001 (subsystem "
		    "6764:0002, class 020000) on the destination");
}

static void test_revision_may_differ(void **state)
{
	struct fixture *f = *state;

	f->own.devices[0].info.class_revision = 0x088000ff;
	manifest_compare(&f->source, &f->own, &f->reasons);
	assert_int_equal(f->reasons.nr, 0);
}

static const struct capability_case {
	uint32_t source, own;
	const char *part; /* NULL: taken */
} capability_cases[] = {
	{ ALL_FLAGS, ALL_FLAGS & ~GW_MIGRATION_P2P, "lacks P2P:" },
	{ ALL_FLAGS, ALL_FLAGS & ~GW_MIGRATION_PRE_COPY, "lacks PRE_COPY:" },
	{ ALL_FLAGS, 0, "the vfio-user server of dev0 on the destination lacks STOP_COPY P2P PRE_COPY:" },
	{ 0, 0, "lacks STOP_COPY:" },
	{ GW_MIGRATION_STOP_COPY, GW_MIGRATION_STOP_COPY, NULL },
	{ GW_MIGRATION_STOP_COPY, ALL_FLAGS, NULL },
	{ GW_MIGRATION_STOP_COPY | 1u << 31, GW_MIGRATION_STOP_COPY, NULL }, /* a flag nobody knows yet */
};

static void test_capabilities(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(capability_cases); i++) {
		const struct capability_case *c = &capability_cases[i];

		f->reasons.nr = 0;
		f->source.devices[0].info.migration_flags = c->source;
		f->own.devices[0].info.migration_flags = c->own;
		manifest_compare(&f->source, &f->own, &f->reasons);
		if (c->part)
			expect_only(f, REASON_DEVICE_CAPABILITY, "dev0", c->part);
		else
			assert_int_equal(f->reasons.nr, 0);
	}
}

static void test_page_size(void **state)
{
	struct fixture *f = *state;

	f->source.page_bytes = 65536;
	manifest_compare(&f->source, &f->own, &f->reasons);
	expect_only(f, REASON_PAGE_SIZE, "", "65536");
}

static void test_duplicate_ids(void **state)
{
	struct fixture *f = *state;

	strcpy(f->source.devices[1].id, "dev0");
	manifest_check_source(&f->source, 0, &f->reasons);
	expect_only(f, REASON_DUPLICATE_ID, "dev0", "two devices of the source");
	f->source = pair;
	f->reasons.nr = 0;
	strcpy(f->source.ram[1].id, "low");
	manifest_check_source(&f->source, 0, &f->reasons);
	expect_only(f, REASON_DUPLICATE_ID, "low", "two RAM blocks of the source");
	f->source = f->own = pair;
	strcpy(f->source.devices[1].id, "dev0");
	strcpy(f->own.devices[1].id, "dev0");
	f->reasons.nr = 0;
	manifest_compare(&f->source, &f->own, &f->reasons);
	assert_true(f->reasons.nr >= 2);
	assert_int_equal(f->reasons.list[0].code, REASON_DUPLICATE_ID);
	assert_int_equal(f->reasons.list[1].code, REASON_DUPLICATE_ID);
	assert_non_null(strstr(f->reasons.list[1].what, "of the destination"));
}

static void test_all_are_told(void **state)
{
	struct fixture *f = *state;
	uint32_t seen = 0;

	f->own.page_bytes = 8192;
	f->own.ram[0].gpa = GIB;
	strcpy(f->own.ram[1].id, "other");
	f->own.devices[0].info.vendor_id = 1;
	f->own.devices[0].info.migration_flags = GW_MIGRATION_STOP_COPY;
	strcpy(f->own.devices[1].id, "other");
	manifest_compare(&f->source, &f->own, &f->reasons);
	assert_int_equal(f->reasons.nr, 8);
	for (uint32_t i = 0; i < f->reasons.nr; i++)
		seen |= 1u << f->reasons.list[i].code;
	assert_int_equal(seen, 1u << REASON_PAGE_SIZE | 1u << REASON_RAM_DIFFERS | 1u << REASON_RAM_MISSING |
				       1u << REASON_DEVICE_DIFFERS | 1u << REASON_DEVICE_CAPABILITY |
				       1u << REASON_DEVICE_MISSING | 1u << REASON_DEVICE_EXTRA);
}

/* Every id in a sentence as long as it can be: cut, never over the end; and no more than LIMIT_REASONS. */
static void test_many_and_long(void **state)
{
	struct fixture *f = *state;

	f->source.nr_ram = GW_MAX_RAM_BLOCKS;
	f->source.nr_devices = GW_MAX_DEVICES;
	for (uint32_t i = 0; i < GW_MAX_RAM_BLOCKS; i++) {
		f->source.ram[i] = (struct manifest_ram){ .gpa = 1, .size_bytes = UINT64_MAX };
		memset(f->source.ram[i].id, 'r', sizeof(f->source.ram[i].id) - 1);
	}
	for (uint32_t i = 0; i < GW_MAX_DEVICES; i++) {
		f->source.devices[i] = (struct manifest_device){ 0 };
		memset(f->source.devices[i].id, 'd', sizeof(f->source.devices[i].id) - 1);
	}
	manifest_check_source(&f->source, 0, &f->reasons);
	assert_int_equal(f->reasons.nr, ARRAY_SIZE(f->reasons.list));
	f->reasons.nr = 0;
	manifest_compare(&f->source, &f->own, &f->reasons);
	assert_int_equal(f->reasons.nr, ARRAY_SIZE(f->reasons.list));
}

static void test_code_names(void **state)
{
	for (uint32_t code = 0; code < NR_REASON_CODES; code++)
		for (uint32_t other = 0; other < code; other++)
			assert_string_not_equal(reason_code_name(code), reason_code_name(other));
	assert_string_equal(reason_code_name(REASON_DEVICE_MISSING), "device-missing");
	assert_string_equal(reason_code_name(REASON_HOST_LACKS), "host-lacks");
	assert_string_equal(reason_code_name(NR_REASON_CODES), "other");
	assert_string_equal(reason_code_name(UINT32_MAX), "other");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_say),
		TEST(test_source),
		TEST(test_one_device_needs_no_p2p),
		TEST(test_ram_that_cannot_be),
		TEST(test_order_does_not_matter),
		TEST(test_ram_differs),
		TEST(test_ram_missing),
		TEST(test_device_missing),
		TEST(test_another_model),
		TEST(test_revision_may_differ),
		TEST(test_capabilities),
		TEST(test_page_size),
		TEST(test_duplicate_ids),
		TEST(test_all_are_told),
		TEST(test_many_and_long),
		TEST(test_code_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
