/* SPDX-License-Identifier: BSD-3-Clause */
/* The live view of a migration: see progress.h. */
#include "progress.h"

#include "downtime_view.h"
#include "json.h"
#include "units.h"

#include <string.h>

#define BLOCK_COLUMNS     76 /* the widest line of the block */
#define BLOCK_LINES       5  /* beside one for each device */
#define MAX_NAMED_DEVICES 4
#define LINE_EVERY_MS     1000.0

void progress_begin(struct progress_view *view, FILE *out)
{
	*view = (struct progress_view){ .out = out, .style = style_of(out) };
}

static void erase_block(struct progress_view *view)
{
	if (view->lines_drawn)
		fprintf(view->out, "\033[%uA\033[J", view->lines_drawn);
	view->lines_drawn = 0;
}

static const char *tint(const struct progress_view *view, enum tint which)
{
	return style_tint(&view->style, which);
}

static void show_expected(FILE *out, const json_t *progress)
{
	bool known = json_has_number(progress, "predicted_ms");

	fprintf(out, "%s, ", known ? units_ms(json_ms(progress, "predicted_ms")).s : "not known yet");
	fprintf(out, "limit %s", units_ms(json_ms(progress, "downtime_limit_ms")).s);
}

/* What is out of the ordinary. */
static void show_notes(FILE *out, const json_t *progress)
{
	unsigned long long throttle = json_u64(progress, "throttle_percent");
	unsigned long long reconnects = json_u64(progress, "reconnects");

	if (throttle)
		fprintf(out, ", vCPUs slowed by %llu %%", throttle);
	if (reconnects)
		fprintf(out, ", reconnected %llux", reconnects);
}

static void show_bar(const struct progress_view *view, const char *name, double done, double left)
{
	fprintf(view->out, "  %-8.8s %s%s%s  ", name, tint(view, TINT_BAR),
		style_gauge(&view->style, done, done + left).s, tint(view, TINT_NONE));
}

static void show_ram(const struct progress_view *view, const json_t *ram)
{
	uint64_t total = json_u64(ram, "total_bytes"), left = json_u64(ram, "remaining_bytes");

	show_bar(view, "RAM", total > left ? (double)(total - left) : 0, (double)left);
	fprintf(view->out, "%s sent, %s to go\n", units_size(json_u64(ram, "sent_bytes")).s, units_size(left).s);
}

static void show_device(const struct progress_view *view, const json_t *device)
{
	uint64_t bytes = json_u64(device, "bytes"), left = json_u64(device, "remaining_bytes");
	bool known = json_has(device, "remaining_bytes");

	show_bar(view, json_text(device, "id"), (double)bytes, known ? (double)left : bytes ? 0 : 1);
	fprintf(view->out, "%s sent", units_size(bytes).s);
	if (known)
		fprintf(view->out, ", %s to go", units_size(left).s);
	fprintf(view->out, "  %s%s%s\n", tint(view, TINT_DIM), json_text(device, "state"), tint(view, TINT_NONE));
}

static void show_block(struct progress_view *view, const json_t *progress)
{
	const json_t *devices = json_object_get(progress, "devices"), *device;
	size_t i;

	erase_block(view);
	fprintf(view->out, "  %s%-12s%s round %llu, %s", tint(view, TINT_BOLD), json_text(progress, "phase"),
		tint(view, TINT_NONE), (unsigned long long)json_u64(progress, "round"),
		units_ms(json_ms(progress, "elapsed_ms")).s);
	show_notes(view->out, progress);
	fputc('\n', view->out);
	show_ram(view, json_object_get(progress, "ram"));
	json_array_foreach(devices, i, device) show_device(view, device);
	fprintf(view->out, "  %-8s %s sent, %s written by the guest\n", "rate",
		units_rate(json_u64(progress, "rate_bytes_per_s")).s,
		units_rate(json_u64(progress, "dirty_bytes_per_s")).s);
	fprintf(view->out, "  %-8s expected: ", "downtime");
	show_expected(view->out, progress);
	fprintf(view->out, "\n           %s", tint(view, TINT_DIM));
	downtime_view_short(view->out, json_object_get(progress, "predicted"));
	fprintf(view->out, "%s\n", tint(view, TINT_NONE));
	view->lines_drawn = (unsigned int)json_array_size(devices) + BLOCK_LINES;
}

/* Each device by its name while that is a line to read, more of them as a sum. */
static void show_device_bytes(FILE *out, const json_t *devices)
{
	uint64_t bytes = 0;
	const json_t *device;
	size_t i, nr = json_array_size(devices);

	json_array_foreach(devices, i, device)
	{
		bytes += json_u64(device, "bytes");
		if (nr <= MAX_NAMED_DEVICES)
			fprintf(out, ", %s %s", json_text(device, "id"), units_size(json_u64(device, "bytes")).s);
	}
	if (nr > MAX_NAMED_DEVICES)
		fprintf(out, ", %zu devices %s", nr, units_size(bytes).s);
}

static void show_line(struct progress_view *view, const json_t *progress)
{
	fprintf(view->out, "  %7s  %s, round %llu: RAM %s", units_ms(json_ms(progress, "elapsed_ms")).s,
		json_text(progress, "phase"), (unsigned long long)json_u64(progress, "round"),
		units_size(json_u64(json_object_get(progress, "ram"), "sent_bytes")).s);
	show_device_bytes(view->out, json_object_get(progress, "devices"));
	fprintf(view->out, "; %s, dirty %s; downtime ", units_rate(json_u64(progress, "rate_bytes_per_s")).s,
		units_rate(json_u64(progress, "dirty_bytes_per_s")).s);
	show_expected(view->out, progress);
	if (json_has_number(progress, "predicted_ms")) {
		fprintf(view->out, " (");
		downtime_view_short(view->out, json_object_get(progress, "predicted"));
		fputc(')', view->out);
	}
	show_notes(view->out, progress);
	fputc('\n', view->out);
}

void progress_show(struct progress_view *view, const json_t *progress)
{
	double elapsed_ms = json_ms(progress, "elapsed_ms");
	size_t lines = json_array_size(json_object_get(progress, "devices")) + BLOCK_LINES + 1;

	view->last_ms = elapsed_ms;
	if (view->style.terminal && view->style.columns >= BLOCK_COLUMNS && view->style.rows >= lines) {
		show_block(view, progress);
	} else if (elapsed_ms >= view->next_ms) {
		show_line(view, progress);
		view->next_ms = elapsed_ms + LINE_EVERY_MS;
	}
	fflush(view->out);
}

void progress_note(struct progress_view *view, const char *text)
{
	erase_block(view);
	fprintf(view->out, "  %s\n", text);
	fflush(view->out);
}

void progress_end(struct progress_view *view)
{
	erase_block(view);
	fflush(view->out);
}
