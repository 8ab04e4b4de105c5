/* SPDX-License-Identifier: BSD-3-Clause */
/* What "godwit bench --json" and "godwit bench --diff --json" print (doc/json.md), for a person. */
#ifndef TOOL_BENCH_BENCH_VIEW_H
#define TOOL_BENCH_BENCH_VIEW_H

#include "tool/style.h"

#include <jansson.h>

void bench_view_show(FILE *out, const struct style *style, const json_t *bench);
void diff_view_show(FILE *out, const struct style *style, const json_t *diff);

/* "61.2 ms", "412 MiB/s" or "8.00 MiB" of a value by its unit's name. */
struct units_text bench_view_value(double value, const char *unit);

#endif
