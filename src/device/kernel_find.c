/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sysfs of a VFIO device: its folder has a link to its driver, one to its IOMMU group, and while a vfio driver has
 * it a folder vfio-dev with one entry, vfioN, whose file is /dev/vfio/devices/vfioN (kernels from 6.6 on).
 */
#include "device/kernel_find.h"

#include "base/err.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where devices of a kind are, and how to speak of one. */
static const struct kind {
	const char *folder;
	const char *after;
	const char *called;
} kinds[] = {
	[URI_VFIO_CDEV] = { "/sys/class/vfio-dev/", "/device", "VFIO device" },
	[URI_VFIO_PCI] = { "/sys/bus/pci/devices/", "", "PCI device" },
	[URI_VFIO_MDEV] = { "/sys/bus/mdev/devices/", "", "mediated device" },
};

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The name of what a link in the folder leads to; "" if there is no such link. */
static void read_link(const char *folder, const char *link, char *name, size_t name_bytes)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t n = -1;

	if (snprintf(path, sizeof(path), "%s/%s", folder, link) < (int)sizeof(path))
		n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	snprintf(name, name_bytes, "%.*s", (int)name_bytes - 1, last_part(target));
}

/* The entry vfioN of the device's folder vfio-dev; "" if no vfio driver has it, or the kernel is older. */
static void read_vfio_dev(const char *folder, char *name, size_t name_bytes)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *dir = NULL;

	name[0] = 0;
	if (snprintf(path, sizeof(path), "%s/vfio-dev", folder) < (int)sizeof(path))
		dir = opendir(path);
	if (!dir)
		return;
	while (!name[0] && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "vfio", 4))
			snprintf(name, name_bytes, "%s", entry->d_name);
	closedir(dir);
}

/* The node if it is there, else "". */
static void find_node(const char *root, const char *folder, const char *name, char node[PLACE_PATH_BYTES])
{
	char path[PATH_MAX];

	node[0] = 0;
	if (!name[0] || snprintf(path, sizeof(path), "%s%s%s", root, folder, name) >= (int)sizeof(path))
		return;
	if (!access(path, F_OK) && strlen(path) < PLACE_PATH_BYTES)
		memcpy(node, path, strlen(path) + 1);
}

static int complain(const char *where, const struct kind *kind, const char *name, const char *driver,
		    struct gw_error *e)
{
	if (!driver[0])
		return err_set(e, -ENODEV, where, "the %s %s is bound to no driver; bind it to its vfio driver",
			       kind->called, name);
	return err_set(e, -ENODEV, where,
		       "the %s %s is bound to %s, which is no vfio driver or has no file in /dev/vfio", kind->called,
		       name, driver);
}

int kernel_find(const char *root, const char *where, const struct uri *uri, struct kernel_place *place,
		struct gw_error *e)
{
	const struct kind *kind = &kinds[uri->kind];
	const char *name = last_part(uri->name);
	char path[PATH_MAX], folder[PATH_MAX], vfio_dev[NAME_MAX + 1], group[NAME_MAX + 1];

	*place = (struct kernel_place){ .name = "" };
	if (snprintf(path, sizeof(path), "%s%s%s%s", root, kind->folder, name, kind->after) >= (int)sizeof(path))
		return err_set(e, -ENAMETOOLONG, where, "the device's name is too long");
	if (!realpath(path, folder))
		return err_set(e, -ENODEV, where, "there is no %s %s here (%s: %s)", kind->called, name, path,
			       strerror(errno));
	snprintf(place->name, sizeof(place->name), "%.*s", URI_NAME_BYTES - 1, last_part(folder));
	read_link(folder, "driver", place->driver, sizeof(place->driver));
	read_link(folder, "iommu_group", group, sizeof(group));
	read_vfio_dev(folder, vfio_dev, sizeof(vfio_dev));
	find_node(root, "/dev/vfio/devices/", vfio_dev, place->cdev);
	find_node(root, "/dev/vfio/", group, place->group);
	if (!place->cdev[0] && !place->group[0])
		return complain(where, kind, name, place->driver, e);
	return 0;
}
