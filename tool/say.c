/* SPDX-License-Identifier: BSD-3-Clause */
/* Sentences for people on stderr, and the error record they come from. */
#include "say.h"

#include <stdarg.h>
#include <stdio.h>

void say(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("godwit: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

void say_error(const struct gw_error *e)
{
	say("%s%s%s", e->where, e->where[0] ? ": " : "", e->what);
}
