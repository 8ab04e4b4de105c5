/* SPDX-License-Identifier: BSD-3-Clause */
/* The limits of the command "migrate" (doc/json.md) as the library's. */
#ifndef REF_VM_LIMITS_JSON_H
#define REF_VM_LIMITS_JSON_H

#include <godwit/report.h>
#include <jansson.h>

/* json may be NULL: all defaults. An unknown key, a wrong type or a number out of range: -EINVAL, *e says which. */
int limits_json(const json_t *json, struct gw_limits *limits, struct gw_error *e);

#endif
