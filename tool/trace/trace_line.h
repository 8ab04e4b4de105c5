/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One call of a trace as one line, to be read or as JSON (doc/json.md). Beside what the library traces there are notes,
 * a call of kind "note" whose name is a sentence. malloc'ed, with its newline; NULL: no memory. Pure, any thread.
 */
#ifndef TOOL_TRACE_LINE_H
#define TOOL_TRACE_LINE_H

#include <godwit/trace.h>

#define TRACE_NOTE "note"

/* zero_ns: the time that times are told from, CLOCK_MONOTONIC. */
char *trace_line_text(const struct gw_trace_call *call, uint64_t zero_ns);
char *trace_line_json(const struct gw_trace_call *call, uint64_t zero_ns);

#endif
