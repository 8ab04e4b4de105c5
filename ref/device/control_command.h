/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the device's control socket: a JSON object in, a JSON object out (doc/json.md). */
#ifndef REF_DEVICE_CONTROL_COMMAND_H
#define REF_DEVICE_CONTROL_COMMAND_H

#include <jansson.h>

struct ref_device;

/* Carries out one line; the answer is the caller's to release. Never waits. */
json_t *ref_control_command(struct ref_device *dev, const char *line);

/* { "ok": false, "error": ... }; code: -errno */
json_t *ref_control_refusal(int code, const char *where, const char *what);

#endif
