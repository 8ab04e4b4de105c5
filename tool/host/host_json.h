/* SPDX-License-Identifier: BSD-3-Clause */
/* What of a host decides over its VFIO devices' migration, as JSON (doc/json.md). root: as in device_sysfs.h. */
#ifndef TOOL_HOST_JSON_H
#define TOOL_HOST_JSON_H

#include <jansson.h>

json_t *host_json(const char *root);

#endif
