/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the clients and the server of a vfio-user device: one client after the other, all that is said traced. */
#ifndef TOOL_TRACE_PROXY_H
#define TOOL_TRACE_PROXY_H

#include "trace_file.h"

/* Until stop_fd is readable (0), or the trace cannot be written any more, which the file tells. -errno: no start. */
int trace_proxy_run(const char *server_path, const char *listen_path, struct trace_file *file, int stop_fd,
		    struct gw_error *e);

#endif
