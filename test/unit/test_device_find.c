/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finding a kernel device's files, in a folder that looks like sysfs and /dev: a PCI function with a device file, one
 * with a group alone, one of another driver, one of none, and a mediated device.
 */
#include "device/kernel_find.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static char root[] = "/tmp/godwit-find-XXXXXX";

static const char *const folders[] = {
	"sys",
	"sys/bus",
	"sys/bus/pci",
	"sys/bus/pci/devices",
	"sys/bus/mdev",
	"sys/bus/mdev/devices",
	"sys/class",
	"sys/class/vfio-dev",
	"sys/devices",
	"sys/devices/0000:3b:00.2",
	"sys/devices/0000:3b:00.2/vfio-dev",
	"sys/devices/0000:3b:00.2/vfio-dev/vfio3",
	"sys/devices/0000:3b:00.3",
	"sys/devices/0000:3b:00.4",
	"sys/devices/0000:3b:00.5",
	"sys/devices/" UUID,
	"sys/devices/" UUID "/vfio-dev",
	"sys/devices/" UUID "/vfio-dev/vfio0",
	"dev",
	"dev/vfio",
	"dev/vfio/devices",
};

static const char *const files[] = { "dev/vfio/devices/vfio3", "dev/vfio/12", "dev/vfio/13", "dev/vfio/14" };

static const char *const links[][2] = {
	{ "../../../devices/0000:3b:00.2", "sys/bus/pci/devices/0000:3b:00.2" },
	{ "../../../devices/0000:3b:00.3", "sys/bus/pci/devices/0000:3b:00.3" },
	{ "../../../devices/0000:3b:00.4", "sys/bus/pci/devices/0000:3b:00.4" },
	{ "../../../devices/0000:3b:00.5", "sys/bus/pci/devices/0000:3b:00.5" },
	{ "../../../devices/" UUID, "sys/bus/mdev/devices/" UUID },
	{ "../../devices/0000:3b:00.2/vfio-dev/vfio3", "sys/class/vfio-dev/vfio3" },
	{ "../../../0000:3b:00.2", "sys/devices/0000:3b:00.2/vfio-dev/vfio3/device" },
	{ "/sys/bus/pci/drivers/mlx5_vfio_pci", "sys/devices/0000:3b:00.2/driver" },
	{ "/sys/kernel/iommu_groups/12", "sys/devices/0000:3b:00.2/iommu_group" },
	{ "/sys/bus/pci/drivers/vfio-pci", "sys/devices/0000:3b:00.3/driver" },
	{ "/sys/kernel/iommu_groups/13", "sys/devices/0000:3b:00.3/iommu_group" },
	{ "/sys/bus/pci/drivers/mlx5_core", "sys/devices/0000:3b:00.4/driver" },
	{ "/sys/kernel/iommu_groups/99", "sys/devices/0000:3b:00.4/iommu_group" },
	{ "/sys/bus/mdev/drivers/vfio_mtty", "sys/devices/" UUID "/driver" },
	{ "/sys/kernel/iommu_groups/14", "sys/devices/" UUID "/iommu_group" },
};

static void path_of(char path[512], const char *name)
{
	snprintf(path, 512, "%s/%s", root, name);
}

static int make(void **unused)
{
	char path[512];

	assert_non_null(mkdtemp(root));
	for (unsigned i = 0; i < ARRAY_SIZE(folders); i++) {
		path_of(path, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		path_of(path, files[i]);
		assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(links); i++) {
		path_of(path, links[i][1]);
		assert_int_equal(symlink(links[i][0], path), 0);
	}
	return 0;
}

static int drop_one(const char *path, const struct stat *unused, int type, struct FTW *ftw)
{
	return remove(path);
}

static int drop(void **unused)
{
	return nftw(root, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int find(const char *text, struct kernel_place *place, struct gw_error *e)
{
	struct uri uri;

	assert_int_equal(uri_parse(text, &uri, NULL), 0);
	return kernel_find(root, "dev0", &uri, place, e);
}

static void test_found(void **unused)
{
	static const struct {
		const char *uri, *name, *driver, *cdev, *group;
	} want[] = {
		{ "vfio:0000:3b:00.2", "0000:3b:00.2", "mlx5_vfio_pci", "dev/vfio/devices/vfio3", "dev/vfio/12" },
		{ "vfio:/dev/vfio/devices/vfio3", "0000:3b:00.2", "mlx5_vfio_pci", "dev/vfio/devices/vfio3",
		  "dev/vfio/12" },
		{ "vfio:3b:00.3", "0000:3b:00.3", "vfio-pci", "", "dev/vfio/13" },
		/* The kernel knows it as vfio0, and has no files for devices. */
		{ "vfio:" UUID, UUID, "vfio_mtty", "", "dev/vfio/14" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct kernel_place place;
		char path[512];

		assert_int_equal(find(want[i].uri, &place, &e), 0);
		assert_string_equal(place.name, want[i].name);
		assert_string_equal(place.driver, want[i].driver);
		path_of(path, want[i].cdev);
		assert_string_equal(place.cdev, want[i].cdev[0] ? path : "");
		path_of(path, want[i].group);
		assert_string_equal(place.group, path);
	}
}

static void test_not_found(void **unused)
{
	static const struct {
		const char *uri, *says;
	} want[] = {
		{ "vfio:0000:3b:00.4", "bound to mlx5_core, which is no vfio driver" },
		{ "vfio:0000:3b:00.5", "bound to no driver" },
		{ "vfio:0000:3b:00.6", "there is no PCI device 0000:3b:00.6" },
		{ "vfio:/dev/vfio/devices/vfio9", "there is no VFIO device vfio9" },
		{ "vfio:00000000-509f-382f-3c1e-e6bfe0fa1001", "there is no mediated device" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct kernel_place place;

		assert_int_equal(find(want[i].uri, &place, &e), -ENODEV);
		assert_int_equal(e.code, -ENODEV);
		assert_non_null(strstr(e.what, want[i].says));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_not_found),
	};

	return cmocka_run_group_tests_name("device_find", tests, make, drop);
}
