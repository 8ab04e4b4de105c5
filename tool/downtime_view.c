/* SPDX-License-Identifier: BSD-3-Clause */
/* A downtime in its parts: see downtime_view.h. */
#include "downtime_view.h"

#include "json.h"
#include "units.h"

#define SHORT_PARTS  3
#define LEAST_MS     0.05 /* what a part has to be to be worth a word */
#define WHAT_COLUMNS 27   /* the widest of what, and a blank before the bar */

/* The parts in the order in which they follow each other. */
static const struct part {
	const char *key, *name, *brief, *what;
} parts[] = {
	{ "pause_ms", "pause", "pause", "vCPUs stop" },
	{ "quiesce_ms", "quiesce", "stop", "devices stop" },
	{ "sync_ms", "dirty sync", "sync", "what was written last" },
	{ "transfer_ms", "transfer", "transfer", "last RAM and device state" },
	{ "load_ms", "load", "load", "after the last byte" },
	{ "commit_ms", "commit", "commit", "the handover" },
	{ "resume_ms", "resume", "start", "devices and vCPUs start" },
};

#define NR_PARTS (sizeof(parts) / sizeof(parts[0]))

/* The largest part that is smaller than `below`, or as large and later in the table; NULL: none is worth a word. */
static const struct part *next_largest(const json_t *values, const struct part *below)
{
	const struct part *best = NULL;

	for (const struct part *part = parts; part < parts + NR_PARTS; part++) {
		double ms = json_ms(values, part->key), limit = below ? json_ms(values, below->key) : 0;

		if (ms < LEAST_MS || (below && (ms > limit || (ms == limit && part <= below))))
			continue;
		if (!best || ms > json_ms(values, best->key))
			best = part;
	}
	return best;
}

void downtime_view_short(FILE *out, const json_t *values)
{
	const struct part *part = next_largest(values, NULL);

	for (int i = 0; part && i < SHORT_PARTS; i++) {
		fprintf(out, "%s%s %s", i ? ", " : "", part->brief, units_ms(json_ms(values, part->key)).s);
		part = next_largest(values, part);
	}
}

static void show_ms(FILE *out, const json_t *values, const char *key)
{
	if (!json_is_object(values))
		return;
	if (json_has_number(values, key))
		fprintf(out, " %9.2f ms", json_ms(values, key));
	else
		fprintf(out, " %12s", "not known");
}

static void show_heads(FILE *out, const struct style *style)
{
	fprintf(out, "    %s%-10s %12s %12s%s\n", style_tint(style, TINT_DIM), "", "measured", "predicted",
		style_tint(style, TINT_NONE));
}

void downtime_view_table(FILE *out, const struct style *style, const json_t *measured, const json_t *predicted)
{
	const json_t *charted = json_is_object(measured) ? measured : predicted;
	const struct part *largest = next_largest(charted, NULL);

	if (!json_is_object(charted))
		return;
	if (json_is_object(measured) && json_is_object(predicted))
		show_heads(out, style);
	for (const struct part *part = parts; part < parts + NR_PARTS; part++) {
		double most = largest ? json_ms(charted, largest->key) : 0;
		struct style_bar bar = style_chart(style, json_ms(charted, part->key), most);

		fprintf(out, "    %-10s", part->name);
		show_ms(out, measured, part->key);
		show_ms(out, predicted, part->key);
		fprintf(out, "  %s%-*s%s", style_tint(style, TINT_DIM), bar.s[0] ? WHAT_COLUMNS : 0, part->what,
			style_tint(style, TINT_NONE));
		if (bar.s[0])
			fprintf(out, "%s%s%s", style_tint(style, TINT_BAR), bar.s, style_tint(style, TINT_NONE));
		fputc('\n', out);
	}
}
