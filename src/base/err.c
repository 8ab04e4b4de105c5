/* SPDX-License-Identifier: BSD-3-Clause */
/* The error record: first failure wins. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

int err_set(struct gw_error *e, int code, const char *where, const char *fmt, ...)
{
	va_list args;

	if (!e || e->code)
		return code;
	e->code = code;
	snprintf(e->where, sizeof(e->where), "%s", where ? where : "");
	va_start(args, fmt);
	vsnprintf(e->what, sizeof(e->what), fmt, args);
	va_end(args);
	return code;
}

void err_first(struct gw_error *e, const struct gw_error *from)
{
	if (e && !e->code && from->code)
		*e = *from;
}
