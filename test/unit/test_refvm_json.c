/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference VM's JSON against doc/json.md: the report, progress, and the limits of "migrate". */
#include "ref/vm/limits_json.h"
#include "ref/vm/progress_json.h"
#include "ref/vm/report_json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_text(json_t *object, const char *expected)
{
	char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(15));

	assert_string_equal(text, expected);
	free(text);
	json_decref(object);
}

static struct gw_report completed(void)
{
	struct gw_report report = {
		.outcome = GW_COMPLETED,
		.verified = 1,
		.nr_devices = 1,
		.total_ns = 1234500000,
		.downtime = { .total_ns = 61200499, .pause_ns = 1000, .resume_ns = 2000000 },
		.downtime_limit_ns = 300000000,
		.expected_downtime_ns = 70100000,
		.ram = { .total_bytes = 4096,
			 .sent_bytes = 8192,
			 .sent_pages = 2,
			 .zero_pages = 3,
			 .rounds = 4,
			 .bytes_per_s = 5 },
		.vm_state_bytes = 512,
		.peak_rss_source_bytes = 1,
	};
	struct gw_device_report *device = &report.devices[0];

	strcpy(device->id, "dev0");
	strcpy(device->backend, "vfio-user");
	device->stop_copy_bytes = 10;
	device->load_ns = 1500000;
	device->dirty_tracked = 1;
	device->nr_source_arcs = 1;
	device->source_arcs[0] = (struct gw_arc_time){ .from = GW_STATE_RUNNING, .to = GW_STATE_STOP, .ns = 1234567 };
	device->nr_destination_arcs = 1;
	device->destination_arcs[0] = (struct gw_arc_time){ .from = GW_STATE_STOP, .to = GW_STATE_RESUMING, .ns = 499 };
	return report;
}

static void test_a_completed_report(void **state)
{
	struct gw_report report = completed();
	json_t *object = report_json(&report, "all");

	json_object_del(object, "godwit");
	assert_text(
		object,
		"{\"outcome\":\"completed\",\"verified\":true,\"total_ms\":1234.5,\"downtime_ms\":61.2,"
		"\"downtime_limit_ms\":300.0,\"expected_downtime_ms\":70.1,"
		"\"downtime\":{\"pause_ms\":0.001,\"quiesce_ms\":0.0,\"sync_ms\":0.0,\"transfer_ms\":0.0,"
		"\"load_ms\":0.0,\"commit_ms\":0.0,\"resume_ms\":2.0},"
		"\"ram\":{\"total_bytes\":4096,\"bytes\":8192,\"pages\":2,\"zero_pages\":3,\"rounds\":4,"
		"\"rate_bytes_per_s\":5,\"dirty_log\":\"all\"},\"vm_state_bytes\":512,"
		"\"devices\":[{\"id\":\"dev0\",\"backend\":\"vfio-user\",\"precopy_bytes\":0,\"stop_copy_bytes\":10,"
		"\"load_ms\":1.5,\"dirty_tracked\":true,\"verified\":false,\"transitions\":["
		"{\"side\":\"source\",\"from\":\"RUNNING\",\"to\":\"STOP\",\"us\":1235},"
		"{\"side\":\"destination\",\"from\":\"STOP\",\"to\":\"RESUMING\",\"us\":0}]}],"
		"\"peak_rss_bytes\":{\"source\":1}}");
}

static void test_a_rolled_back_report(void **state)
{
	struct gw_report report = {
		.outcome = GW_ROLLED_BACK,
		.error = { .code = -EPIPE, .where = "peer", .what = "gone" },
		.total_ns = 1000000,
		.blackout_ns = 12000000,
	};
	json_t *object = report_json(&report, NULL);

	json_object_del(object, "godwit");
	assert_text(object, "{\"outcome\":\"rolled-back\",\"verified\":false,"
			    "\"error\":{\"code\":\"EPIPE\",\"where\":\"peer\",\"what\":\"gone\"},\"total_ms\":1.0,"
			    "\"blackout_ms\":12.0,\"ram\":{\"total_bytes\":0,\"bytes\":0,\"pages\":0,\"zero_pages\":0,"
			    "\"rounds\":0},\"devices\":[],\"peak_rss_bytes\":{}}");
}

static void test_progress(void **state)
{
	struct gw_progress progress = {
		.phase = "pre-copy",
		.elapsed_ns = 2500000,
		.ram_total_bytes = 3,
		.ram_sent_bytes = 2,
		.ram_remaining_bytes = 1,
		.bytes_per_s = 7,
		.dirty_bytes_per_s = 8,
		.round = 9,
		.downtime_limit_ns = 300000000,
		.nr_devices = 2,
		.devices = { { .id = "dev0", .state = GW_STATE_PRE_COPY, .sizes_known = 1, .bytes = 4 },
			     { .id = "dev1", .state = GW_STATE_RUNNING, .remaining_bytes = 5 } },
	};

	assert_text(
		progress_json(&progress),
		"{\"event\":\"progress\",\"phase\":\"pre-copy\",\"elapsed_ms\":2.5,\"round\":9,\"outcome\":\"none\","
		"\"ram\":{\"total_bytes\":3,\"sent_bytes\":2,\"remaining_bytes\":1},\"rate_bytes_per_s\":7,"
		"\"dirty_bytes_per_s\":8,\"downtime_limit_ms\":300.0,"
		"\"devices\":[{\"id\":\"dev0\",\"state\":\"PRE_COPY\",\"bytes\":4,\"remaining_bytes\":0},"
		"{\"id\":\"dev1\",\"state\":\"RUNNING\",\"bytes\":0}]}");
}

static void test_limits(void **state)
{
	json_t *json = json_loads("{\"downtime_ms\":1.5,\"bandwidth_bytes_per_s\":1000,\"channels\":4,\"max_rounds\":7,"
				  "\"allow_no_p2p\":true,\"verify\":false}",
				  0, NULL);
	struct gw_error e = GW_ERROR_NONE;
	struct gw_limits limits;

	assert_int_equal(limits_json(json, &limits, &e), 0);
	assert_int_equal(limits.size, sizeof(limits));
	assert_int_equal(limits.downtime_ns, 1500000);
	assert_int_equal(limits.bandwidth, 1000);
	assert_int_equal(limits.nr_channels, 4);
	assert_int_equal(limits.max_rounds, 7);
	assert_int_equal(limits.flags, GW_ALLOW_NO_P2P);
	json_decref(json);
	assert_int_equal(limits_json(NULL, &limits, &e), 0);
	assert_int_equal(limits.flags, 0);
}

static void test_wrong_limits(void **state)
{
	static const char *const wrong[] = {
		"[]",
		"{\"downtime_ms\":-1}",
		"{\"downtime_ms\":\"1\"}",
		"{\"downtime_ms\":1e300}",
		"{\"bandwidth_bytes_per_s\":-1}",
		"{\"bandwidth_bytes_per_s\":1.5}",
		"{\"channels\":33}",
		"{\"max_rounds\":4294967296}",
		"{\"verify\":1}",
		"{\"speed\":1}",
	};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		json_t *json = json_loads(wrong[i], 0, NULL);
		struct gw_error e = GW_ERROR_NONE;
		struct gw_limits limits;

		assert_non_null(json);
		assert_int_equal(limits_json(json, &limits, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		assert_true(strlen(e.what) > 0);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_completed_report), cmocka_unit_test(test_a_rolled_back_report),
		cmocka_unit_test(test_progress),           cmocka_unit_test(test_limits),
		cmocka_unit_test(test_wrong_limits),
	};

	return cmocka_run_group_tests_name("refvm_json", tests, NULL, NULL);
}
