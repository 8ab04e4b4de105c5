/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What sysfs tells of a kernel device beside what the device itself does: its driver's module, firmware texts, its
 * IOMMU, its physical function, its mediated type. root is "" but in tests, where it holds their sys.
 */
#ifndef TOOL_DEVICE_SYSFS_H
#define TOOL_DEVICE_SYSFS_H

#include <jansson.h>

/* The object "sysfs" of doc/json.md; NULL: the URI is of no kernel device, or it has no folder. */
json_t *device_sysfs_json(const char *root, const char *uri);

/* An IOMMU of /sys/class/iommu: its kind, its registers, whether it can track what devices write. */
json_t *iommu_json(const char *root, const char *unit);

#endif
