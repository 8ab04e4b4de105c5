/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A save or a load while it runs: a line on the terminal, redrawn in place, and the signals that end it. On anything
 * but a terminal nothing is shown.
 */
#ifndef TOOL_IMAGE_LIVE_H
#define TOOL_IMAGE_LIVE_H

#include "tool/style.h"

#include <godwit/image.h>

struct image_live {
	struct style style; /* of stderr */
	int stop_fd;        /* stop_signals_open; -1: none */
	int signal;         /* that ended it; 0: none */
	uint32_t hidden;    /* a phase that is not shown; 0: none */
	uint32_t phase;
	uint64_t phase_began_ns, phase_bytes, next_ns;
	uint32_t drawn;
};

/* Signals are taken from here on. hidden: GW_IMAGE_*, a phase that is not shown; 0: none. 0 or -errno. */
int image_live_begin(struct image_live *live, uint32_t hidden, struct gw_error *e);

int image_live_progress(void *live, const struct gw_image_progress *progress); /* a gw_image_progress_fn */

void image_live_end(struct image_live *live); /* takes the line away */

#endif
