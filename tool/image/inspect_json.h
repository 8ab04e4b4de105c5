/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in files, as the JSON of doc/json.md. */
#ifndef TOOL_INSPECT_JSON_H
#define TOOL_INSPECT_JSON_H

#include <godwit/inspect.h>
#include <jansson.h>

json_t *inspect_json(const struct gw_inspection *inspection); /* a new reference */

#endif
