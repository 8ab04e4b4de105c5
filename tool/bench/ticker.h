/* SPDX-License-Identifier: BSD-3-Clause */
/* One line on stderr that is written over while a measurement runs, if that is a terminal. */
#ifndef TOOL_BENCH_TICKER_H
#define TOOL_BENCH_TICKER_H

#include <stdbool.h>

struct ticker {
	bool terminal, drawn;
};

void ticker_begin(struct ticker *ticker);
__attribute__((format(printf, 2, 3))) void ticker_show(struct ticker *ticker, const char *fmt, ...);
void ticker_end(struct ticker *ticker); /* takes the line away */

#endif
