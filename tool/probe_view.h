/* SPDX-License-Identifier: BSD-3-Clause */
/* What "godwit probe --json" prints (doc/json.md), for a person. */
#ifndef TOOL_PROBE_VIEW_H
#define TOOL_PROBE_VIEW_H

#include <jansson.h>
#include <stdio.h>

void probe_view_show(FILE *out, const json_t *probe);

#endif
