/* SPDX-License-Identifier: BSD-3-Clause */
/* Colours and bars, or their absence: see style.h. */
#include "style.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct style style_of(FILE *out)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct style style = { .blocks = !strcmp(nl_langinfo(CODESET), "UTF-8") };
	struct winsize size;

	style.terminal = isatty(fileno(out)) && term && strcmp(term, "dumb");
	style.colour = style.terminal && !(no_color && no_color[0]);
	if (style.terminal && !ioctl(fileno(out), TIOCGWINSZ, &size)) {
		style.columns = size.ws_col;
		style.rows = size.ws_row;
	}
	return style;
}

const char *style_tint(const struct style *style, enum tint tint)
{
	static const char *const sequences[] = {
		[TINT_NONE] = "\033[0m",  [TINT_BOLD] = "\033[1m", [TINT_DIM] = "\033[2m",
		[TINT_GOOD] = "\033[32m", [TINT_BAD] = "\033[31m", [TINT_BAR] = "\033[36m",
	};

	return style->colour ? sequences[tint] : "";
}

/* Eighths of a cell, so that a chart of small parts still tells them apart. */
static const char *const eighths[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" };

static unsigned int filled(double part, double whole, unsigned int steps)
{
	double share = whole > 0 ? part / whole : 0;

	share = share < 0 ? 0 : share > 1 ? 1 : share;
	return (unsigned int)(share * steps + 0.5);
}

struct style_bar style_gauge(const struct style *style, double part, double whole)
{
	unsigned int full = filled(part, whole, STYLE_BAR_CELLS), i;
	struct style_bar bar = { "" };

	for (i = 0; i < STYLE_BAR_CELLS; i++)
		strcat(bar.s, style->blocks ? (i < full ? "█" : "░") : (i < full ? "#" : "."));
	return bar;
}

struct style_bar style_chart(const struct style *style, double part, double whole)
{
	unsigned int steps = style->blocks ? 8 : 1, full = filled(part, whole, STYLE_BAR_CELLS * steps), i;
	struct style_bar bar = { "" };

	for (i = 0; i < full / steps; i++)
		strcat(bar.s, style->blocks ? "█" : "#");
	if (style->blocks)
		strcat(bar.s, eighths[full % 8]);
	return bar;
}
