/* SPDX-License-Identifier: BSD-3-Clause */
/* gw_compare_devices: the manifest's rules, without a migration. The rules themselves: test_manifest.c. */
#include <errno.h>
#include <godwit/compare.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ALL_FLAGS (GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY)

static struct gw_device_facts facts(const char *id)
{
	struct gw_device_facts f = { .info = { .migration_flags = ALL_FLAGS,
					       .features = GW_FEATURE_PRECOPY_INFO,
					       .vendor_id = 0x15b3,
					       .device_id = 0x101e,
					       .backend = "kernel cdev" } };

	strcpy(f.id, id);
	return f;
}

static void equal_devices_can_move(void **state)
{
	struct gw_device_facts a[] = { facts("dev0"), facts("dev1") };
	struct gw_device_facts b[] = { facts("dev1"), facts("dev0") };
	struct gw_blocker blocker;

	assert_int_equal(gw_compare_devices(a, 2, b, 2, 0, &blocker, 1), 0);
	assert_int_equal(gw_compare_devices(a, 0, b, 0, 0, &blocker, 1), 0);
}

static void both_sides_rules_are_asked(void **state)
{
	struct gw_device_facts a[] = { facts("dev0"), facts("dev1") };
	struct gw_device_facts b[] = { facts("dev0") };
	struct gw_blocker blockers[3] = { 0 };

	a[0].info.migration_flags &= ~GW_MIGRATION_P2P;
	b[0].info.device_id = 0x1021;
	assert_int_equal(gw_compare_devices(a, 2, b, 1, 0, blockers, 3), 3);
	assert_string_equal(blockers[0].code, "no-p2p");
	assert_string_equal(blockers[0].where, "dev0");
	assert_string_equal(blockers[1].code, "device-differs");
	assert_string_equal(blockers[2].code, "device-missing");
	assert_string_equal(blockers[2].where, "dev1");
	assert_non_null(strstr(blockers[2].what, "dev1"));
	assert_int_equal(gw_compare_devices(a, 2, b, 1, GW_ALLOW_NO_P2P, blockers, 3), 2);
	assert_string_equal(blockers[0].code, "device-differs");
}

static void no_more_are_filled_in_than_there_is_room_for(void **state)
{
	struct gw_device_facts a[] = { facts("dev0"), facts("dev1") };
	struct gw_blocker blockers[2] = { { .code = "" }, { .code = "untouched" } };

	assert_int_equal(gw_compare_devices(a, 2, a, 0, 0, blockers, 1), 2);
	assert_string_equal(blockers[0].code, "device-missing");
	assert_string_equal(blockers[1].code, "untouched");
	assert_int_equal(gw_compare_devices(a, 2, a, 0, 0, NULL, 0), 2);
}

/* Both sides look for them. */
static void a_duplicate_id_is_told_once(void **state)
{
	struct gw_device_facts a[] = { facts("dev0"), facts("dev0") };
	struct gw_device_facts b[] = { facts("dev0") };
	struct gw_blocker blockers[2];

	assert_int_equal(gw_compare_devices(a, 2, b, 1, 0, blockers, 2), 1);
	assert_string_equal(blockers[0].code, "duplicate-id");
}

static void a_side_has_its_limits(void **state)
{
	struct gw_device_facts many[GW_MAX_DEVICES + 1] = { 0 };
	struct gw_blocker blockers[GW_MAX_BLOCKERS];

	assert_int_equal(gw_compare_devices(many, GW_MAX_DEVICES + 1, many, 0, 0, blockers, GW_MAX_BLOCKERS), -EINVAL);
	assert_int_equal(gw_compare_devices(many, 0, many, GW_MAX_DEVICES + 1, 0, blockers, GW_MAX_BLOCKERS), -EINVAL);
	assert_in_range(gw_compare_devices(many, GW_MAX_DEVICES, many, 0, 0, blockers, GW_MAX_BLOCKERS), 1,
			GW_MAX_BLOCKERS);
}

static void text_without_an_end_is_cut(void **state)
{
	struct gw_device_facts a = facts("dev0"), b;

	memset(a.id, 'x', sizeof(a.id));
	memset(a.info.backend, 'x', sizeof(a.info.backend));
	a.info.migration_flags = 0;
	b = a;
	assert_in_range(gw_compare_devices(&a, 1, &b, 1, 0, NULL, 0), 1, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_devices_can_move),
		cmocka_unit_test(both_sides_rules_are_asked),
		cmocka_unit_test(no_more_are_filled_in_than_there_is_room_for),
		cmocka_unit_test(a_duplicate_id_is_told_once),
		cmocka_unit_test(a_side_has_its_limits),
		cmocka_unit_test(text_without_an_end_is_cut),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
