/* SPDX-License-Identifier: BSD-3-Clause */
/* What "godwit estimate --json" prints (doc/json.md), for a person. */
#ifndef TOOL_BENCH_OUTLOOK_VIEW_H
#define TOOL_BENCH_OUTLOOK_VIEW_H

#include "tool/style.h"

#include <jansson.h>

void outlook_view_show(FILE *out, const struct style *style, const json_t *estimate);

#endif
