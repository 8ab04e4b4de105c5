/* SPDX-License-Identifier: BSD-3-Clause */
/* What a report takes from sysfs, out of a tree made here: a virtual function, a mediated device, IOMMUs. */
#include "tool/host/device_sysfs.h"
#include "tool/host/host_json.h"
#include "tool/json.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MDEV "00000000-0000-4000-8000-00000000000a"

static char root[] = "/tmp/godwit-sysfs-XXXXXX";

static void make_parents(char *path)
{
	for (char *slash = strchr(path + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
}

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	make_parents(path);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* target is relative to the root, as all of sysfs hangs together. */
static void put_link(const char *name, const char *target)
{
	char path[PATH_MAX], to[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	snprintf(to, sizeof(to), "%s/%s", root, target);
	make_parents(path);
	assert_int_equal(symlink(to, path), 0);
}

#define PF "sys/devices/pci0000:3a/0000:3b:00.0"
#define VF "sys/devices/pci0000:3a/0000:3b:00.2"

static int make_tree(void **state)
{
	assert_non_null(mkdtemp(root));
	put(PF "/infiniband/mlx5_0/fw_ver", "28.39.1002\n");
	put("sys/module/mlx5_core/srcversion", "AAAA\n");
	put_link("sys/bus/pci/drivers/mlx5_core/module", "sys/module/mlx5_core");
	put_link(PF "/driver", "sys/bus/pci/drivers/mlx5_core");
	put("sys/module/mlx5_vfio_pci/version", "1.2\nsecond line\n");
	put_link("sys/bus/pci/drivers/mlx5_vfio_pci/module", "sys/module/mlx5_vfio_pci");
	put(VF "/vendor", "0x15b3\n");
	put_link(VF "/driver", "sys/bus/pci/drivers/mlx5_vfio_pci");
	put_link(VF "/physfn", PF);
	put("sys/kernel/iommu_groups/42/type", "DMA-FQ\n");
	put_link(VF "/iommu_group", "sys/kernel/iommu_groups/42");
	put("sys/devices/virtual/iommu/dmar1/intel-iommu/cap", "d2008c40660462\n");
	put("sys/devices/virtual/iommu/dmar1/intel-iommu/ecap", "200000f050da\n");
	put_link("sys/class/iommu/dmar1", "sys/devices/virtual/iommu/dmar1");
	put("sys/devices/virtual/iommu/ivhd0/amd-iommu/features", "25bf732fa2295afe:53d\n");
	put_link("sys/class/iommu/ivhd0", "sys/devices/virtual/iommu/ivhd0");
	put("sys/devices/virtual/iommu/smmu3.0x1/uevent", "");
	put_link("sys/class/iommu/smmu3.0x1", "sys/devices/virtual/iommu/smmu3.0x1");
	put_link(VF "/iommu", "sys/devices/virtual/iommu/dmar1");
	put_link("sys/bus/pci/devices/0000:3b:00.2", VF);
	put_link("sys/class/vfio-dev/vfio7/device", VF);
	put("sys/devices/virtual/mtty/mtty/" MDEV "/remove", "");
	put("sys/devices/virtual/mtty/mtty/mdev_supported_types/mtty-2/name", "two\n");
	put_link("sys/devices/virtual/mtty/mtty/" MDEV "/mdev_type",
		 "sys/devices/virtual/mtty/mtty/mdev_supported_types/mtty-2");
	put_link("sys/bus/mdev/devices/" MDEV, "sys/devices/virtual/mtty/mtty/" MDEV);
	put("sys/module/vfio_iommu_type1/parameters/dma_entry_limit", "65535\n");
	put("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "N\n");
	put("dev/iommu", "");
	put("dev/vfio/devices/vfio7", "");
	return 0;
}

static int remove_tree(void **state)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static const char *inner(const json_t *object, const char *key, const char *text)
{
	return json_text(json_object_get(object, key), text);
}

static bool not_found(const json_t *sysfs, const char *begin)
{
	const json_t *list = json_object_get(sysfs, "not_found"), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (!strncmp(json_string_value(item), begin, strlen(begin)))
			return true;
	}
	return false;
}

static void a_virtual_function(void **state)
{
	static const char *const uris[] = { "vfio:0000:3b:00.2", "vfio:3B:00.2", "vfio:0000:3b:00.2,group",
					    "vfio:/dev/vfio/devices/vfio7" };

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
		json_t *sysfs = device_sysfs_json(root, uris[i]);
		json_t *firmware = json_object_get(sysfs, "firmware");

		assert_non_null(sysfs);
		assert_string_equal(json_text(sysfs, "folder"), "/" VF);
		assert_string_equal(inner(sysfs, "module", "name"), "mlx5_vfio_pci");
		assert_string_equal(inner(sysfs, "module", "version"), "1.2");
		assert_string_equal(inner(sysfs, "physical_function", "address"), "0000:3b:00.0");
		assert_string_equal(inner(json_object_get(sysfs, "physical_function"), "module", "source"), "AAAA");
		assert_int_equal(json_array_size(firmware), 1);
		assert_string_equal(json_text(json_array_get(firmware, 0), "of"), "physical function");
		assert_string_equal(json_text(json_array_get(firmware, 0), "text"), "28.39.1002");
		assert_string_equal(json_text(sysfs, "iommu_group"), "42");
		assert_string_equal(json_text(sysfs, "iommu_group_type"), "DMA-FQ");
		assert_string_equal(inner(sysfs, "iommu", "kind"), "intel");
		assert_int_equal(json_array_size(json_object_get(sysfs, "not_found")), 0);
		json_decref(sysfs);
	}
}

static void a_mediated_device_and_what_it_lacks(void **state)
{
	json_t *sysfs = device_sysfs_json(root, "vfio:00000000-0000-4000-8000-00000000000A");

	assert_non_null(sysfs);
	assert_string_equal(json_text(sysfs, "mdev_type"), "mtty-2");
	assert_true(not_found(sysfs, "firmware: "));
	assert_true(not_found(sysfs, "driver version: "));
	assert_true(not_found(sysfs, "iommu: "));
	json_decref(sysfs);
}

static void others_have_none(void **state)
{
	static const char *const uris[] = {
		"vfio-user:/run/dev0.sock",     "vfio:0000:3b:00.3",       "vfio:", "vfio:,group",
		"vfio:/dev/vfio/devices/vfio8", "vfio:../../../../../etc", ""
	};

	for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++)
		assert_null(device_sysfs_json(root, uris[i]));
}

/* The registers of real machines: an Intel one without SSADS, one with; an AMD one with HDSup, one without. */
static void what_an_iommu_can(void **state)
{
	static const struct {
		const char *unit, *file, *text;
		bool tracks;
	} units[] = {
		{ "dmar1", "sys/devices/virtual/iommu/dmar1/intel-iommu/ecap", "f050da\n", false },
		{ "dmar1", "sys/devices/virtual/iommu/dmar1/intel-iommu/ecap", "200000f050da\n", true },
		{ "ivhd0", "sys/devices/virtual/iommu/ivhd0/amd-iommu/features", "246577efa2254afa:0\n", false },
		{ "ivhd0", "sys/devices/virtual/iommu/ivhd0/amd-iommu/features", "25bf732fa2295afe:53d\n", true },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		json_t *iommu;

		put(units[i].file, units[i].text);
		iommu = iommu_json(root, units[i].unit);
		assert_true(json_is_boolean(json_object_get(iommu, "dirty_tracking")));
		assert_int_equal(json_true_at(iommu, "dirty_tracking"), units[i].tracks);
		json_decref(iommu);
	}
}

static void a_host(void **state)
{
	json_t *host = host_json(root);
	const json_t *vfio = json_object_get(host, "vfio"), *iommus = json_object_get(host, "iommus");

	assert_true(json_text(host, "kernel")[0] && json_text(host, "machine")[0]);
	assert_int_equal(json_u64(host, "page_size_bytes"), sysconf(_SC_PAGESIZE));
	assert_true(json_true_at(vfio, "cdev") && json_true_at(vfio, "iommufd"));
	assert_true(json_is_false(json_object_get(vfio, "container")));
	assert_int_equal(json_u64(vfio, "type1_dma_entry_limit"), 65535);
	assert_string_equal(json_text(vfio, "type1_allow_unsafe_interrupts"), "N");
	assert_int_equal(json_array_size(iommus), 3);
	assert_string_equal(json_text(json_array_get(iommus, 0), "kind"), "intel");
	assert_string_equal(json_text(json_array_get(iommus, 1), "kind"), "amd");
	assert_string_equal(json_text(json_array_get(iommus, 2), "kind"), "arm");
	json_decref(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_virtual_function),
		cmocka_unit_test(a_mediated_device_and_what_it_lacks),
		cmocka_unit_test(others_have_none),
		cmocka_unit_test(what_an_iommu_can),
		cmocka_unit_test(a_host),
	};

	return cmocka_run_group_tests_name("tool_sysfs", tests, make_tree, remove_tree);
}
