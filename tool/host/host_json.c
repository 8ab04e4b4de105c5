/* SPDX-License-Identifier: BSD-3-Clause */
/* See host_json.h. Of CPUs and memory only what VFIO's maps and dirty bits depend on: the machine and its pages. */
#include "host_json.h"

#include "device_sysfs.h"
#include "sysfs_file.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

static void add_system(json_t *host)
{
	struct utsname name;

	if (!uname(&name)) {
		json_object_set_new(host, "name", json_string(name.nodename));
		json_object_set_new(host, "kernel", json_string(name.release));
		json_object_set_new(host, "machine", json_string(name.machine));
	}
	json_object_set_new(host, "page_size_bytes", json_integer(sysconf(_SC_PAGESIZE)));
}

/* A module parameter, "" where the module is not there. */
static void add_parameter(json_t *vfio, const char *root, const char *key, const char *path)
{
	struct sysfs_text text = sysfs_read(root, path);

	if (text.s[0])
		json_object_set_new(vfio, key, json_string(text.s));
}

static json_t *vfio_json(const char *root)
{
	struct sysfs_text entries = sysfs_read(root, "sys/module/vfio_iommu_type1/parameters/dma_entry_limit");
	json_t *vfio = json_object();

	json_object_set_new(vfio, "cdev", json_boolean(sysfs_has(root, "dev/vfio/devices")));
	json_object_set_new(vfio, "iommufd", json_boolean(sysfs_has(root, "dev/iommu")));
	json_object_set_new(vfio, "container", json_boolean(sysfs_has(root, "dev/vfio/vfio")));
	if (entries.s[0])
		json_object_set_new(vfio, "type1_dma_entry_limit", json_integer(strtoll(entries.s, NULL, 10)));
	add_parameter(vfio, root, "type1_allow_unsafe_interrupts",
		      "sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts");
	add_parameter(vfio, root, "no_iommu_mode", "sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	return vfio;
}

struct iommu_search {
	json_t *list;
	const char *root;
};

static void add_unit(void *ctx, const char *folder, const char *name)
{
	struct iommu_search *search = ctx;

	json_array_append_new(search->list, iommu_json(search->root, name));
}

static json_t *iommus_json(const char *root)
{
	struct iommu_search search = { .list = json_array(), .root = root };
	char folder[PATH_MAX];

	if (snprintf(folder, sizeof(folder), "%s/sys/class/iommu", root) < (int)sizeof(folder))
		sysfs_each(folder, add_unit, &search);
	return search.list;
}

json_t *host_json(const char *root)
{
	json_t *host = json_object();
	struct rlimit memlock;

	add_system(host);
	if (!getrlimit(RLIMIT_MEMLOCK, &memlock) && memlock.rlim_cur != RLIM_INFINITY)
		json_object_set_new(host, "memlock_limit_bytes", json_integer((json_int_t)memlock.rlim_cur));
	json_object_set_new(host, "vfio", vfio_json(root));
	json_object_set_new(host, "iommus", iommus_json(root));
	return host;
}
