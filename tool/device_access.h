/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Opening devices for a command, with what every command offers about it: a trace of all that is said to them. A
 * command puts a struct device_access into its args (and works on a copy: a run's args are const),
 * DEVICE_ACCESS_OPTIONS into its option table, opens by device_access_open and ends with device_access_end, when all
 * its devices are closed. Any thread may open.
 */
#ifndef TOOL_DEVICE_ACCESS_H
#define TOOL_DEVICE_ACCESS_H

#include "options.h"

#include <godwit/device.h>

struct device_access {
	const char *trace_path;      /* readable lines; "-": stderr */
	const char *trace_json_path; /* a JSON document a line */
	struct trace_file *file;     /* made by begin */
};

#define DEVICE_ACCESS_OPTIONS(args_type, field)                                                                  \
	{ .name = "trace",                                                                                       \
	  .kind = OPTION_TEXT,                                                                                   \
	  .offset = offsetof(args_type, field.trace_path),                                                       \
	  .value = "FILE",                                                                                       \
	  .help = "write all that is said to the devices to FILE, to be read (\"-\": stderr)" },                 \
	{                                                                                                        \
		.name = "trace-json", .kind = OPTION_TEXT, .offset = offsetof(args_type, field.trace_json_path), \
		.value = "FILE", .help = "the same, a JSON document a line"                                      \
	}

/* Opens the trace's files, if any was asked for. */
int device_access_begin(struct device_access *access, struct gw_error *e);
/* flags: GW_OPEN_*. */
int device_access_open(struct device_access *access, struct gw_device **dev, const char *id, const char *uri,
		       uint32_t flags, struct gw_error *e);
/* The trace to pass on to who opens devices itself; NULL: none is wanted. */
const struct gw_trace *device_access_trace(const struct device_access *access);
/* A trace that could not be written is said here, and makes -errno. Fine after a begin that failed. */
int device_access_end(struct device_access *access, struct gw_error *e);

#endif
