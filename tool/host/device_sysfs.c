/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See device_sysfs.h. Where the texts stand is the kernel's Documentation/ABI: sysfs-bus-pci (physfn), sysfs-module
 * (version, srcversion), vfio-mdev (mdev_type), sysfs-class-iommu-intel-iommu, sysfs-class-iommu-amd-iommu,
 * sysfs-class-infiniband (fw_ver); nvme's firmware_rev and fw_version of SCSI hosts are their drivers' own.
 */
#include "device_sysfs.h"

#include "sysfs_file.h"

#include <ctype.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each is asked of the device and of its physical function; a folder has an entry a port or controller. */
static const struct firmware_place {
	const char *folder, *file;
} firmware_places[] = {
	{ "", "fw_version" },       { "", "fw_ver" },           { "", "firmware_version" },
	{ "infiniband", "fw_ver" }, { "nvme", "firmware_rev" }, { "scsi_host", "fw_version" },
};

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* An empty text is one that was not found. */
static bool add_text(json_t *object, const char *key, struct sysfs_text text)
{
	return text.s[0] && !json_object_set_new(object, key, json_string(text.s));
}

static void add_object(json_t *to, const char *key, json_t *object)
{
	if (json_object_size(object))
		json_object_set_new(to, key, object);
	else
		json_decref(object);
}

static void add_not_found(json_t *sysfs, const char *what)
{
	json_array_append_new(json_object_get(sysfs, "not_found"), json_string(what));
}

#define UUID_LENGTH 36
#define PCI_LENGTH  12 /* with its domain; without it is 0000: */

/* The folder that a URI's name leads to: vfio:0000:3b:00.2, vfio:3b:00.2, vfio:UUID, vfio:/dev/vfio/devices/vfioN. */
static bool find_folder(const char *root, const char *uri, char folder[PATH_MAX])
{
	static const char node[] = "/dev/vfio/devices/";
	char path[PATH_MAX], name[64];
	int n;

	if (sscanf(uri, "vfio:%63[^,]", name) != 1)
		return false;
	if (!strncmp(name, node, sizeof(node) - 1)) {
		n = snprintf(path, sizeof(path), "%s/sys/class/vfio-dev/%s/device", root, name + sizeof(node) - 1);
		return n < (int)sizeof(path) && realpath(path, folder);
	}
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (strlen(name) == UUID_LENGTH)
		n = snprintf(path, sizeof(path), "%s/sys/bus/mdev/devices/%s", root, name);
	else
		n = snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s%s", root,
			     strlen(name) < PCI_LENGTH ? "0000:" : "", name);
	return n < (int)sizeof(path) && realpath(path, folder);
}

/* A built-in driver has no module, and few modules state a version. */
static json_t *module_json(const char *folder)
{
	json_t *module = json_object();

	add_text(module, "name", sysfs_link(folder, "driver/module"));
	add_text(module, "version", sysfs_read(folder, "driver/module/version"));
	add_text(module, "source", sysfs_read(folder, "driver/module/srcversion"));
	return module;
}

struct firmware_search {
	json_t *list;
	const char *of; /* "device" or "physical function" */
	const struct firmware_place *place;
};

static void add_firmware(void *ctx, const char *folder, const char *name)
{
	const struct firmware_search *search = ctx;
	char path[PATH_MAX];
	struct sysfs_text text;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return;
	text = sysfs_read(path, search->place->file);
	if (text.s[0])
		json_array_append_new(search->list, json_pack("{s:s, s:s, s:s}", "of", search->of, "file",
							      search->place->file, "text", text.s));
}

/* In a folder of sysfs and one level below. */
static void search_firmware(const char *folder, struct firmware_search *search)
{
	char path[PATH_MAX];

	for (size_t i = 0; i < NR(firmware_places); i++) {
		search->place = &firmware_places[i];
		if (!search->place->folder[0])
			add_firmware(search, folder, "");
		else if (snprintf(path, sizeof(path), "%s/%s", folder, search->place->folder) < (int)sizeof(path))
			sysfs_each(path, add_firmware, search);
	}
}

static void add_firmwares(json_t *sysfs, const char *folder)
{
	struct firmware_search search = { .list = json_array(), .of = "device" };
	char physical[PATH_MAX];

	search_firmware(folder, &search);
	search.of = "physical function";
	if (snprintf(physical, sizeof(physical), "%s/physfn", folder) < (int)sizeof(physical))
		search_firmware(physical, &search);
	if (!json_array_size(search.list))
		add_not_found(sysfs, "firmware: no fw_version, fw_ver, firmware_version, infiniband/*/fw_ver, "
				     "nvme/*/firmware_rev or scsi_host/*/fw_version of the device or its physical "
				     "function");
	json_object_set_new(sysfs, "firmware", search.list);
}

/*
 * Whether the unit's page tables can hold dirty bits: SSADS, bit 45 of the extended capability register (Intel VT-d,
 * section 11.4.3); HDSup, bit 52 of the extended feature register (AMD I/O Virtualization Technology, MMIO offset
 * 0030h). sysfs has both in hex without a prefix.
 */
static void add_intel(json_t *iommu, const char *folder)
{
	struct sysfs_text ecap = sysfs_read(folder, "intel-iommu/ecap");

	add_text(iommu, "capability", sysfs_read(folder, "intel-iommu/cap"));
	if (add_text(iommu, "extended_capability", ecap))
		json_object_set_new(iommu, "dirty_tracking", json_boolean(strtoull(ecap.s, NULL, 16) >> 45 & 1));
}

static void add_amd(json_t *iommu, const char *folder)
{
	struct sysfs_text features = sysfs_read(folder, "amd-iommu/features");

	add_text(iommu, "capability", sysfs_read(folder, "amd-iommu/cap"));
	if (add_text(iommu, "extended_features", features))
		json_object_set_new(iommu, "dirty_tracking", json_boolean(strtoull(features.s, NULL, 16) >> 52 & 1));
}

json_t *iommu_json(const char *root, const char *unit)
{
	json_t *iommu = json_pack("{s:s}", "unit", unit);
	char folder[PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s/sys/class/iommu/%s", root, unit) >= (int)sizeof(folder))
		return iommu;
	if (sysfs_has(folder, "intel-iommu")) {
		json_object_set_new(iommu, "kind", json_string("intel"));
		add_intel(iommu, folder);
	} else if (sysfs_has(folder, "amd-iommu")) {
		json_object_set_new(iommu, "kind", json_string("amd"));
		add_amd(iommu, folder);
	} else if (!strncmp(unit, "smmu", 4)) {
		json_object_set_new(iommu, "kind", json_string("arm"));
	}
	return iommu;
}

static void add_iommu(json_t *sysfs, const char *root, const char *folder)
{
	struct sysfs_text unit = sysfs_link(folder, "iommu");

	if (add_text(sysfs, "iommu_group", sysfs_link(folder, "iommu_group")))
		add_text(sysfs, "iommu_group_type", sysfs_read(folder, "iommu_group/type"));
	if (unit.s[0])
		json_object_set_new(sysfs, "iommu", iommu_json(root, unit.s));
	else
		add_not_found(sysfs, "iommu: the device is behind none that the kernel names");
}

static json_t *physical_json(const char *folder)
{
	json_t *physical = json_object();
	char path[PATH_MAX];

	add_text(physical, "address", sysfs_link(folder, "physfn"));
	add_text(physical, "driver", sysfs_link(folder, "physfn/driver"));
	if (snprintf(path, sizeof(path), "%s/physfn", folder) < (int)sizeof(path))
		add_object(physical, "module", module_json(path));
	return physical;
}

json_t *device_sysfs_json(const char *root, const char *uri)
{
	char folder[PATH_MAX];
	json_t *sysfs, *module;

	if (!find_folder(root, uri, folder))
		return NULL;
	sysfs = json_pack("{s:s, s:[]}", "folder", folder + strlen(root), "not_found");
	module = module_json(folder);
	if (!json_object_get(module, "version") && !json_object_get(module, "source"))
		add_not_found(sysfs, "driver version: no driver/module/version or srcversion; it is the kernel's own");
	add_object(sysfs, "module", module);
	add_object(sysfs, "physical_function", physical_json(folder));
	add_text(sysfs, "mdev_type", sysfs_link(folder, "mdev_type"));
	add_firmwares(sysfs, folder);
	add_iommu(sysfs, root, folder);
	return sysfs;
}
