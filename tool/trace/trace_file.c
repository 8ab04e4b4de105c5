/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a trace is written: see trace_file.h. */
#include "trace_file.h"

#include "tool/now.h"
#include "tool/say.h"
#include "trace_line.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NR_FORMATS 2

struct sink {
	const char *name; /* for messages; NULL: there is none */
	int fd;
	bool owned;
	int code; /* -errno: why nothing more is written */
};

struct trace_file {
	struct sink sinks[NR_FORMATS]; /* by enum trace_format */
	uint64_t zero_ns;
	struct gw_trace trace;
	pthread_mutex_t lock; /* a line at a time */
};

static char *(*const formats[NR_FORMATS])(const struct gw_trace_call *call, uint64_t zero_ns) = {
	[TRACE_TEXT] = trace_line_text,
	[TRACE_JSON] = trace_line_json,
};

static void write_call(void *ctx, const struct gw_trace_call *call)
{
	trace_file_write(ctx, call);
}

struct trace_file *trace_file_new(void)
{
	struct trace_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->zero_ns = now_ns();
	file->trace = (struct gw_trace){ .size = sizeof(file->trace), .call = write_call, .ctx = file };
	pthread_mutex_init(&file->lock, NULL);
	return file;
}

void trace_file_add_fd(struct trace_file *file, enum trace_format format, int fd, const char *name)
{
	file->sinks[format] = (struct sink){ .name = name, .fd = fd };
}

/* Appended to, so that what others write there too, another process perhaps, stays whole lines. */
int trace_file_add(struct trace_file *file, enum trace_format format, const char *path, struct gw_error *e)
{
	int fd;

	if (!strcmp(path, "-")) {
		trace_file_add_fd(file, format, STDERR_FILENO, "stderr");
		return 0;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0)
		return gw_error_set(e, -errno, path, "cannot write a trace there: %s", strerror(errno));
	file->sinks[format] = (struct sink){ .name = path, .fd = fd, .owned = true };
	return 0;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

void trace_file_write(struct trace_file *file, const struct gw_trace_call *call)
{
	pthread_mutex_lock(&file->lock);
	for (int i = 0; i < NR_FORMATS; i++) {
		struct sink *sink = &file->sinks[i];
		char *line;

		if (!sink->name || sink->code)
			continue;
		line = formats[i](call, file->zero_ns);
		sink->code = line ? write_all(sink->fd, line) : -ENOMEM;
		free(line);
	}
	pthread_mutex_unlock(&file->lock);
}

bool trace_file_failed(struct trace_file *file)
{
	bool failed = false;

	pthread_mutex_lock(&file->lock);
	for (int i = 0; i < NR_FORMATS; i++)
		failed = failed || file->sinks[i].code;
	pthread_mutex_unlock(&file->lock);
	return failed;
}

const struct gw_trace *trace_file_trace(const struct trace_file *file)
{
	return &file->trace;
}

int trace_file_close(struct trace_file *file, struct gw_error *e)
{
	int ret = 0;

	if (!file)
		return 0;
	for (int i = 0; i < NR_FORMATS; i++) {
		struct sink *sink = &file->sinks[i];

		if (sink->owned && close(sink->fd) && !sink->code)
			sink->code = -errno;
		if (sink->code)
			ret = gw_error_set(e, sink->code, sink->name, "the trace could not be written: %s",
					   strerror(-sink->code));
	}
	pthread_mutex_destroy(&file->lock);
	free(file);
	return ret;
}
