/* SPDX-License-Identifier: BSD-3-Clause */
/* A downtime in its parts, measured or predicted (doc/json.md), for a person. */
#ifndef TOOL_DOWNTIME_VIEW_H
#define TOOL_DOWNTIME_VIEW_H

#include "style.h"

#include <jansson.h>

/* The largest known parts in a few words, "transfer 40.2 ms, start 12.1 ms"; nothing if there are none. */
void downtime_view_short(FILE *out, const json_t *parts);

/*
 * A line a part with a bar. measured and predicted stand beside each other; either may be absent (NULL or null), and
 * is then left out.
 */
void downtime_view_table(FILE *out, const struct style *style, const json_t *measured, const json_t *predicted);

#endif
