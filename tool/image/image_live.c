/* SPDX-License-Identifier: BSD-3-Clause */
/* The line of a save or a load: see image_live.h. */
#include "image_live.h"

#include "tool/stop_signals.h"
#include "tool/units.h"

#include <stdio.h>

#define NS_PER_S     1000000000ull
#define EVERY_NS     100000000ull
#define QUIET_NS     500000000ull /* what ends within this needs no line */
#define LINE_COLUMNS 78           /* the widest line */

int image_live_begin(struct image_live *live, uint32_t hidden, struct gw_error *e)
{
	*live = (struct image_live){ .style = style_of(stderr), .next_ns = QUIET_NS, .hidden = hidden };
	live->stop_fd = stop_signals_open(e);
	return live->stop_fd < 0 ? live->stop_fd : 0;
}

static const char *phase_name(uint32_t phase)
{
	static const char *const names[] = {
		[GW_IMAGE_CHECKING] = "checking",
		[GW_IMAGE_PRE_COPY] = "pre-copy",
		[GW_IMAGE_STOP_COPY] = "stop-copy",
		[GW_IMAGE_LOADING] = "loading",
	};

	return phase < sizeof(names) / sizeof(names[0]) && names[phase] ? names[phase] : "";
}

static void draw(struct image_live *live, const struct gw_image_progress *p)
{
	double took_s = (double)(p->elapsed_ns - live->phase_began_ns) / (double)NS_PER_S;
	double rate = took_s > 0 ? (double)(p->bytes - live->phase_bytes) / took_s : 0;
	uint64_t left = p->expected_bytes > p->bytes ? p->expected_bytes - p->bytes : 0;

	fprintf(stderr, "\r\033[K  %-9s %s  %s", phase_name(p->phase),
		style_gauge(&live->style, (double)p->bytes, (double)(p->expected_bytes ? p->expected_bytes : 1)).s,
		units_size(p->bytes).s);
	if (rate >= 1)
		fprintf(stderr, ", %s", units_rate((uint64_t)rate).s);
	if (rate >= 1 && left)
		fprintf(stderr, ", %s left", units_duration((uint64_t)((double)left / rate * (double)NS_PER_S)).s);
	fflush(stderr);
	live->drawn = 1;
}

static bool is_shown(const struct image_live *live)
{
	return live->style.terminal && live->style.columns >= LINE_COLUMNS && live->phase != live->hidden;
}

int image_live_progress(void *ctx, const struct gw_image_progress *p)
{
	struct image_live *live = ctx;

	if (!live->signal)
		live->signal = stop_signals_take(live->stop_fd);
	if (p->phase != live->phase) {
		live->phase = p->phase;
		live->phase_began_ns = p->elapsed_ns;
		live->phase_bytes = p->bytes;
	}
	if (p->elapsed_ns >= live->next_ns && is_shown(live)) {
		draw(live, p);
		live->next_ns = p->elapsed_ns + EVERY_NS;
	}
	return live->signal;
}

void image_live_end(struct image_live *live)
{
	if (live->drawn)
		fprintf(stderr, "\r\033[K");
	fflush(stderr);
	live->drawn = 0;
}
