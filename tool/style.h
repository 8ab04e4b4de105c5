/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How output looks on this stream: colour only on a terminal and without NO_COLOR (no-color.org), block
 * characters only where the locale has them. Asked once, then passed around.
 */
#ifndef TOOL_STYLE_H
#define TOOL_STYLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct style {
	bool terminal, colour, blocks;
	unsigned int columns, rows; /* 0 where there is no terminal */
};

enum tint { TINT_NONE, TINT_BOLD, TINT_DIM, TINT_GOOD, TINT_BAD, TINT_BAR };

struct style style_of(FILE *out);

/* The sequence that begins a tint, "" where there is no colour; TINT_NONE ends any. */
const char *style_tint(const struct style *style, enum tint tint);

#define STYLE_BAR_CELLS 24

/* A bar of STYLE_BAR_CELLS cells by value, filled to part / whole (cut to 0 and 1). */
struct style_bar {
	char s[STYLE_BAR_CELLS * 4 + 1];
};

/* The rest is drawn as a dotted line (a gauge), or left out (a chart). */
struct style_bar style_gauge(const struct style *style, double part, double whole);
struct style_bar style_chart(const struct style *style, double part, double whole);

#endif
