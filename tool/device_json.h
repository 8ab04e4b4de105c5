/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a device is and can do, as JSON: what "godwit probe --json" prints and a host's report holds of each device
 * (doc/json.md). It only asks, but for device_json_add_precopy.
 */
#ifndef TOOL_DEVICE_JSON_H
#define TOOL_DEVICE_JSON_H

#include <godwit/device.h>
#include <jansson.h>

/* Adds all keys but "precopy" to the object. */
int device_json_fill(json_t *device, struct gw_device *dev, struct gw_error *e);

/*
 * Adds "precopy": goes to PRE_COPY and back. Whatever failed on the way, RUNNING is asked for, and the first failure
 * is told.
 */
int device_json_add_precopy(json_t *device, struct gw_device *dev, struct gw_error *e);

/* The way back, of what tells one model and its abilities from another: identity, texts, flags, features. */
void device_json_info(const json_t *device, struct gw_device_info *info);

#endif
