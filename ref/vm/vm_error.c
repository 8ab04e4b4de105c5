/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling godwit's error record. */
#include "ref/vm/vm_error.h"

#include <stdarg.h>
#include <stdio.h>

int vm_error_set(struct gw_error *e, int code, const char *where, const char *format, ...)
{
	va_list args;

	if (!e || e->code)
		return code;
	e->code = code;
	snprintf(e->where, sizeof(e->where), "%s", where);
	va_start(args, format);
	vsnprintf(e->what, sizeof(e->what), format, args);
	va_end(args);
	return code;
}
