/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest has to say. */
#include "ref/guest/bare/say.h"

#include "ref/board/board.h"
#include "ref/guest/bare/instructions.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES 384

void say(const char *format, ...)
{
	char line[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (const char *at = line; *at; at++)
		port_put_u8(BOARD_PORT_DEBUG, (uint8_t)*at);
}
