/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in files, for a person: made from the JSON of doc/json.md. */
#ifndef TOOL_INSPECT_VIEW_H
#define TOOL_INSPECT_VIEW_H

#include <jansson.h>
#include <stdio.h>

void inspect_view_show(FILE *out, const json_t *inspection);

#endif
