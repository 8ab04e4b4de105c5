/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where a trace is written: up to two files, one to be read, one of JSON lines. Whole lines, from any thread, each as
 * soon as its call has ended. A file that cannot be written is written no more, and that is told at the end.
 */
#ifndef TOOL_TRACE_FILE_H
#define TOOL_TRACE_FILE_H

#include <godwit/error.h>
#include <godwit/trace.h>
#include <stdbool.h>

enum trace_format { TRACE_TEXT, TRACE_JSON };

struct trace_file;

/* Times are told from now on. NULL: no memory. */
struct trace_file *trace_file_new(void);

/* One a format. "-" is stderr; a file is made anew. */
int trace_file_add(struct trace_file *file, enum trace_format format, const char *path, struct gw_error *e);
/* A descriptor of the caller's, called `name` in messages. */
void trace_file_add_fd(struct trace_file *file, enum trace_format format, int fd, const char *name);

void trace_file_write(struct trace_file *file, const struct gw_trace_call *call);
bool trace_file_failed(struct trace_file *file);

/* For the library: as long as the file is there. */
const struct gw_trace *trace_file_trace(const struct trace_file *file);

/* NULL is fine. -errno: something could not be written. */
int trace_file_close(struct trace_file *file, struct gw_error *e);

#endif
