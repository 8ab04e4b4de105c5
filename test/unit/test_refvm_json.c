/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference VM's JSON against doc/json.md: the report, progress, and the limits of "migrate". */
#include "ref/vm_control/limits_json.h"
#include "ref/vm_control/progress_json.h"
#include "ref/vm_control/report_json.h"

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
		.predicted = { .total_ns = 70100000, .transfer_ns = 70000000, .commit_ns = UINT64_MAX },
		.handover = { .arbiter = 1,
			      .claimed_by = GW_SIDE_DESTINATION,
			      .committed = 1,
			      .nr_reconnects = 2,
			      .nr_taken_back = 1,
			      .throttle_percent = 40,
			      .allowed_no_p2p = 1 },
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
	device->dirty_source = GW_DIRTY_DEVICE;
	device->nr_rearmed = 3;
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
		"{\"outcome\":\"completed\",\"rollback_failed\":false,\"verified\":true,\"total_ms\":1234.5,\"downtime_"
		"ms\":61.2,"
		"\"downtime_limit_ms\":300.0,\"predicted_ms\":70.1,"
		"\"predicted\":{\"pause_ms\":0.0,\"quiesce_ms\":0.0,\"sync_ms\":0.0,\"transfer_ms\":70.0,"
		"\"load_ms\":0.0,\"commit_ms\":null,\"resume_ms\":0.0},\"prediction_error_percent\":14.5,"
		"\"downtime\":{\"pause_ms\":0.001,\"quiesce_ms\":0.0,\"sync_ms\":0.0,\"transfer_ms\":0.0,"
		"\"load_ms\":0.0,\"commit_ms\":0.0,\"resume_ms\":2.0},"
		"\"handover\":{\"arbiter\":true,\"claimed_by\":\"destination\",\"committed\":true,\"taken_back\":1,"
		"\"allowed_no_p2p\":true,\"throttle_percent\":40,\"dry_run\":null},\"reconnects\":2,\"blockers\":[],"
		"\"ram\":{\"total_bytes\":4096,\"bytes\":8192,\"pages\":2,\"zero_pages\":3,\"rounds\":4,"
		"\"rate_bytes_per_s\":5,\"dirty_log\":\"all\"},\"vm_state_bytes\":512,"
		"\"devices\":[{\"id\":\"dev0\",\"backend\":\"vfio-user\",\"precopy_bytes\":0,\"stop_copy_bytes\":10,"
		"\"load_ms\":1.5,\"dirty_source\":\"device\",\"rearmed\":3,\"verified\":false,\"transitions\":["
		"{\"side\":\"source\",\"from\":\"RUNNING\",\"to\":\"STOP\",\"us\":1235},"
		"{\"side\":\"destination\",\"from\":\"STOP\",\"to\":\"RESUMING\",\"us\":0}]}],"
		"\"peak_rss_bytes\":{\"source\":1}}");
}

static void test_a_rolled_back_report(void **state)
{
	struct gw_report report = {
		.outcome = GW_ROLLED_BACK,
		.rollback_failed = 1,
		.error = { .code = -EPIPE, .where = "peer", .what = "gone" },
		.total_ns = 1000000,
		.blackout_ns = 12000000,
		.handover = { .dry_run = GW_REHEARSE },
		.nr_blockers = 1,
		.blockers = { { .code = "no-p2p", .where = "dev0", .what = "it has none" } },
	};
	json_t *object = report_json(&report, NULL);

	json_object_del(object, "godwit");
	assert_text(object, "{\"outcome\":\"rolled-back\",\"rollback_failed\":true,\"verified\":false,"
			    "\"error\":{\"code\":\"EPIPE\",\"where\":\"peer\",\"what\":\"gone\"},\"total_ms\":1.0,"
			    "\"predicted_ms\":null,\"predicted\":null,\"prediction_error_percent\":null,"
			    "\"blackout_ms\":12.0,"
			    "\"handover\":{\"arbiter\":false,\"claimed_by\":null,\"committed\":false,"
			    "\"taken_back\":0,\"allowed_no_p2p\":false,\"throttle_percent\":0,"
			    "\"dry_run\":\"precopy\"},\"reconnects\":0,"
			    "\"blockers\":[{\"code\":\"no-p2p\",\"where\":\"dev0\",\"what\":\"it has "
			    "none\"}],\"ram\":{\"total_bytes\":0,\"bytes\":0,\"pages\":0,\"zero_pages\":0,"
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
		.predicted = { .total_ns = UINT64_MAX, .transfer_ns = UINT64_MAX, .resume_ns = 1000000 },
		.downtime_limit_ns = 300000000,
		.throttle_percent = 20,
		.nr_reconnects = 1,
		.nr_devices = 2,
		.devices = { { .id = "dev0", .state = GW_STATE_PRE_COPY, .sizes_known = 1, .bytes = 4 },
			     { .id = "dev1", .state = GW_STATE_RUNNING, .remaining_bytes = 5 } },
	};

	assert_text(
		progress_json(&progress),
		"{\"event\":\"progress\",\"phase\":\"pre-copy\",\"elapsed_ms\":2.5,\"round\":9,\"outcome\":\"none\","
		"\"ram\":{\"total_bytes\":3,\"sent_bytes\":2,\"remaining_bytes\":1},\"rate_bytes_per_s\":7,"
		"\"dirty_bytes_per_s\":8,\"predicted_ms\":null,"
		"\"predicted\":{\"pause_ms\":0.0,\"quiesce_ms\":0.0,\"sync_ms\":0.0,\"transfer_ms\":null,"
		"\"load_ms\":0.0,\"commit_ms\":0.0,\"resume_ms\":1.0},"
		"\"downtime_limit_ms\":300.0,\"throttle_percent\":20,\"reconnects\":1,"
		"\"devices\":[{\"id\":\"dev0\",\"state\":\"PRE_COPY\",\"bytes\":4,\"remaining_bytes\":0},"
		"{\"id\":\"dev1\",\"state\":\"RUNNING\",\"bytes\":0}]}");
}

static void test_limits(void **state)
{
	json_t *json = json_loads("{\"downtime_ms\":1.5,\"bandwidth_bytes_per_s\":1000,\"channels\":4,\"max_rounds\":7,"
				  "\"allow_no_p2p\":true,\"verify\":false,\"max_time_ms\":2000,\"reconnect_ms\":3000,"
				  "\"no_converge\":\"throttle\",\"dry_run\":\"compare\"}",
				  0, NULL);
	struct gw_error e = GW_ERROR_NONE;
	struct gw_limits limits;

	assert_int_equal(limits_json(json, &limits, &e), 0);
	assert_int_equal(limits.size, sizeof(limits));
	assert_int_equal(limits.downtime_ns, 1500000);
	assert_int_equal(limits.bandwidth, 1000);
	assert_int_equal(limits.nr_channels, 4);
	assert_int_equal(limits.max_rounds, 7);
	assert_int_equal(limits.precopy_ns, 2000000000);
	assert_int_equal(limits.reconnect_ns, 3000000000);
	assert_int_equal(limits.no_converge, GW_NO_CONVERGE_THROTTLE);
	assert_int_equal(limits.flags, GW_ALLOW_NO_P2P | GW_DRY_RUN);
	json_decref(json);
	json = json_loads("{\"reconnect_ms\":0,\"dry_run\":\"precopy\"}", 0, NULL);
	assert_int_equal(limits_json(json, &limits, &e), 0);
	assert_int_equal(limits.flags, GW_NO_RECONNECT | GW_REHEARSE);
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
		"{\"reconnect_ms\":-1}",
		"{\"max_time_ms\":\"1\"}",
		"{\"no_converge\":\"hope\"}",
		"{\"no_converge\":1}",
		"{\"dry_run\":true}",
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
