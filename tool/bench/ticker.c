/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of progress: see ticker.h. */
#include "ticker.h"

#include "tool/style.h"

#include <stdarg.h>
#include <stdio.h>

void ticker_begin(struct ticker *ticker)
{
	*ticker = (struct ticker){ .terminal = style_of(stderr).terminal };
}

void ticker_show(struct ticker *ticker, const char *fmt, ...)
{
	va_list args;

	if (!ticker->terminal)
		return;
	fputs("\r\033[K  ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fflush(stderr);
	ticker->drawn = true;
}

void ticker_end(struct ticker *ticker)
{
	if (ticker->drawn)
		fputs("\r\033[K", stderr);
	ticker->drawn = false;
}
