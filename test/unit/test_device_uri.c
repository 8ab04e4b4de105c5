/* SPDX-License-Identifier: BSD-3-Clause */
/* Device URIs: what each shape means, and that everything else is refused with a sentence. */
#include "device/uri.h"

#include "base/bits.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_good(void **unused)
{
	static const struct {
		const char *text;
		enum uri_kind kind;
		enum uri_way way;
		const char *name;
	} good[] = {
		{ "vfio-user:/run/dev0.sock", URI_VFIO_USER, URI_ANY_WAY, "/run/dev0.sock" },
		{ "vfio-user:relative", URI_VFIO_USER, URI_ANY_WAY, "relative" },
		{ "vfio-user:/a,group", URI_VFIO_USER, URI_ANY_WAY, "/a,group" },
		{ "vfio:/dev/vfio/devices/vfio0", URI_VFIO_CDEV, URI_ANY_WAY, "/dev/vfio/devices/vfio0" },
		{ "vfio:/dev/vfio/devices/vfio12,group", URI_VFIO_CDEV, URI_GROUP_WAY, "/dev/vfio/devices/vfio12" },
		{ "vfio:0000:3b:00.2", URI_VFIO_PCI, URI_ANY_WAY, "0000:3b:00.2" },
		{ "vfio:0000:3B:00.2,group", URI_VFIO_PCI, URI_GROUP_WAY, "0000:3b:00.2" },
		{ "vfio:3b:00.2", URI_VFIO_PCI, URI_ANY_WAY, "0000:3b:00.2" },
		{ "vfio:83B8F4F2-509F-382F-3C1E-E6BFE0FA1001", URI_VFIO_MDEV, URI_ANY_WAY,
		  "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001" },
		{ "vfio:83b8f4f2-509f-382f-3c1e-e6bfe0fa1001,group", URI_VFIO_MDEV, URI_GROUP_WAY,
		  "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct uri uri;

		assert_int_equal(uri_parse(good[i].text, &uri, &e), 0);
		assert_int_equal(e.code, 0);
		assert_int_equal(uri.kind, good[i].kind);
		assert_int_equal(uri.way, good[i].way);
		assert_string_equal(uri.name, good[i].name);
	}
}

static void test_bad(void **unused)
{
	static const char *const bad[] = {
		"",
		"vfio",
		"vfio:",
		"vfio-user:",
		"VFIO:0000:3b:00.2",
		"tcp:host:1",
		"vfio:,group",
		"vfio:0000:3b:00.8",
		"vfio:0000:3b:00",
		"vfio:0000:3b:00.2 ",
		"vfio:0000:3g:00.2",
		"vfio:0000:3b:00.2,groups",
		"vfio:0000:3b:00.2,group,group",
		"vfio:/dev/vfio/12",
		"vfio:/dev/vfio/devices/",
		"vfio:/dev/vfio/devices/../vfio",
		"vfio:/etc/passwd",
		"vfio:83b8f4f2-509f-382f-3c1e-e6bfe0fa100",
		"vfio:83b8f4f2-509f-382f-3c1e-e6bfe0fa10011",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct uri uri;

		assert_int_equal(uri_parse(bad[i], &uri, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
		assert_true(strlen(e.what) > 0);
	}
}

static void test_long(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	char text[600] = "vfio-user:/";
	struct uri uri;

	memset(text + 11, 'a', sizeof(text) - 12);
	assert_int_equal(uri_parse(text, &uri, &e), -EINVAL);
	memcpy(text, "vfio://///", 10);
	assert_int_equal(uri_parse(text, &uri, NULL), -EINVAL);
	/* 107 bytes of path are what a Unix socket's address holds. */
	strcpy(text, "vfio-user:");
	memset(text + 10, 'a', 107);
	text[117] = 0;
	assert_int_equal(uri_parse(text, &uri, NULL), 0);
	text[117] = 'a';
	text[118] = 0;
	assert_int_equal(uri_parse(text, &uri, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("device_uri", tests, NULL, NULL);
}
