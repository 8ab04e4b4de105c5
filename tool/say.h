/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tool says when something failed: one sentence on stderr, after "godwit: ". */
#ifndef TOOL_SAY_H
#define TOOL_SAY_H

#include <godwit/error.h>

__attribute__((format(printf, 1, 2))) void say(const char *fmt, ...);
void say_error(const struct gw_error *e);

#endif
