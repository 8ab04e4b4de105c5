/* SPDX-License-Identifier: BSD-3-Clause */
/* The report of a migration (doc/json.md) for a person: who has the guest, what it cost, what that was made of. */
#ifndef TOOL_REPORT_VIEW_H
#define TOOL_REPORT_VIEW_H

#include "style.h"

#include <jansson.h>

/* control: the source's control socket, for the commands that a person may have to type; NULL: it is gone by then. */
void report_view_show(FILE *out, const struct style *style, const json_t *report, const char *control);

#endif
