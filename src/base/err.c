/* SPDX-License-Identifier: BSD-3-Clause */
/* The error record: first failure wins. */
#include "base/err.h"

#include "base/export.h"

#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 4, 0))) static void set(struct gw_error *e, int code, const char *where, const char *fmt,
						      va_list args)
{
	if (!e || e->code)
		return;
	e->code = code;
	snprintf(e->where, sizeof(e->where), "%s", where ? where : "");
	vsnprintf(e->what, sizeof(e->what), fmt, args);
}

int err_set(struct gw_error *e, int code, const char *where, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set(e, code, where, fmt, args);
	va_end(args);
	return code;
}

GW_EXPORT int gw_error_set(struct gw_error *e, int code, const char *where, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set(e, code, where, fmt, args);
	va_end(args);
	return code;
}

void err_first(struct gw_error *e, const struct gw_error *from)
{
	if (e && !e->code && from->code)
		*e = *from;
}
