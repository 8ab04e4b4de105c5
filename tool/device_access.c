/* SPDX-License-Identifier: BSD-3-Clause */
/* Opening devices for a command, traced if that was asked for: see device_access.h. */
#include "device_access.h"

#include "say.h"
#include "tool/trace/trace_file.h"

#include <errno.h>

static int add_files(struct device_access *access, struct gw_error *e)
{
	int ret = 0;

	if (access->trace_path)
		ret = trace_file_add(access->file, TRACE_TEXT, access->trace_path, e);
	if (!ret && access->trace_json_path)
		ret = trace_file_add(access->file, TRACE_JSON, access->trace_json_path, e);
	return ret;
}

int device_access_begin(struct device_access *access, struct gw_error *e)
{
	if (!access->trace_path && !access->trace_json_path)
		return 0;
	access->file = trace_file_new();
	return access->file ? add_files(access, e) : gw_error_set(e, -ENOMEM, "", "out of memory");
}

int device_access_open(struct device_access *access, struct gw_device **dev, const char *id, const char *uri,
		       uint32_t flags, struct gw_error *e)
{
	struct gw_open_options options = {
		.size = sizeof(options),
		.flags = flags,
		.trace = device_access_trace(access),
	};

	return gw_device_open_with(dev, id, uri, &options, e);
}

const struct gw_trace *device_access_trace(const struct device_access *access)
{
	return access->file ? trace_file_trace(access->file) : NULL;
}

int device_access_end(struct device_access *access, struct gw_error *e)
{
	struct trace_file *file = access->file;

	access->file = NULL;
	return trace_file_close(file, e);
}
