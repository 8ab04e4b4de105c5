/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A migration while it runs: on a terminal that is large enough a block that is redrawn in place, elsewhere a line
 * a second. One thread; the caller owns the struct.
 */
#ifndef TOOL_PROGRESS_H
#define TOOL_PROGRESS_H

#include "style.h"

#include <jansson.h>

struct progress_view {
	FILE *out;
	struct style style;
	unsigned int lines_drawn; /* of the block that stands above the cursor */
	double next_ms;           /* elapsed time from which on the next line may be written */
	double last_ms;           /* of the last event seen */
};

void progress_begin(struct progress_view *view, FILE *out);
void progress_show(struct progress_view *view, const json_t *progress); /* a progress event of doc/json.md */
void progress_note(struct progress_view *view, const char *text);       /* a line that stays */
void progress_end(struct progress_view *view);                          /* takes the block away */

#endif
