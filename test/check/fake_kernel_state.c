/* SPDX-License-Identifier: BSD-3-Clause */
/* States, the data session that goes with them, and the data fd that may outlive it. */
#include "fake_kernel_device.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_FD 100 /* the number is only told: nobody uses it as one */

bool fake_kernel_is_faulty(const struct fake_kernel *kernel, const char *fault)
{
	return !strcmp(kernel->fault, fault);
}

static void file_put(struct fake_file *file)
{
	if (file && !file->of_device && !file->of_user) {
		fake_stream_free(&file->stream);
		free(file);
	}
}

static void end_session(struct fake_kernel *kernel)
{
	struct fake_file *file = kernel->file;

	kernel->file = NULL;
	if (file)
		file->of_device = false;
	file_put(file);
}

static int close_held(struct fake_kernel *kernel)
{
	struct fake_file *file = kernel->held;

	if (!file)
		return -EBADF;
	kernel->held = NULL;
	file->of_user = false;
	file_put(file);
	return 0;
}

/* The session's new file is the user's too, instead of the one that it had. */
static int begin_session(struct fake_kernel *kernel)
{
	struct fake_file *file = calloc(1, sizeof(*file));

	if (!file)
		return -ENOMEM;
	close_held(kernel);
	file->of_device = file->of_user = true;
	kernel->file = kernel->held = file;
	return 0;
}

static int run_arc(struct fake_kernel *kernel, uint32_t to)
{
	enum mig_session before = ref_mig_state_session(kernel->state), after = ref_mig_state_session(to);
	int ret = 0;

	if (before == MIG_SESSION_LOAD)
		ret = fake_stream_load(&kernel->file->stream, &kernel->memory);
	if (ret)
		return ret;
	if (before != after) {
		end_session(kernel);
		ret = after == MIG_SESSION_NONE ? 0 : begin_session(kernel);
	}
	if (!ret && ref_mig_state_precopies(to) && before != MIG_SESSION_SAVE)
		ret = fake_stream_put_initial(&kernel->file->stream);
	if (!ret && to == MIG_STOP_COPY) {
		ret = fake_stream_put_state(&kernel->file->stream, &kernel->memory, kernel->spoiled);
		kernel->spoiled = false;
	}
	if (!ret)
		kernel->state = to;
	return ret;
}

static bool lies_about_fd(const struct fake_kernel *kernel, uint32_t from, uint32_t to)
{
	char name[64];

	snprintf(name, sizeof(name), "fd:%s-%s", gw_device_state_name(from), gw_device_state_name(to));
	return fake_kernel_is_faulty(kernel, name);
}

int fake_kernel_set(struct fake_kernel *kernel, uint32_t to, int32_t *data_fd)
{
	const struct fake_file *held = kernel->held;
	uint32_t from = kernel->state;
	int ret = ref_mig_state_valid(to, kernel->caps) ? 0 : -EINVAL;

	*data_fd = -1;
	if (from == MIG_STOP_COPY && to == MIG_STOP && !held && fake_kernel_is_faulty(kernel, "fd-closed"))
		kernel->spoiled = true;
	while (!ret && kernel->state != to) {
		int next = ref_mig_state_next(kernel->state, to, kernel->caps);

		ret = next < 0 ? next : run_arc(kernel, (uint32_t)next);
	}
	if (ret)
		return ret;
	if ((kernel->held && kernel->held != held) != lies_about_fd(kernel, from, to))
		*data_fd = FIRST_FD + kernel->next_fd++;
	return 0;
}

int fake_kernel_raw_state_set(void *ctx, struct gw_raw_state *call)
{
	return fake_kernel_set(ctx, call->state, &call->data_fd);
}

int fake_kernel_raw_state_get(void *ctx, struct gw_raw_state *call)
{
	struct fake_kernel *kernel = ctx;

	call->state = kernel->state;
	call->data_fd = kernel->held && fake_kernel_is_faulty(kernel, "fd-get") ? FIRST_FD : -1;
	return 0;
}

void fake_kernel_reset(struct fake_kernel *kernel)
{
	end_session(kernel);
	kernel->state = MIG_RUNNING;
}

int fake_kernel_raw_reset(void *ctx)
{
	fake_kernel_reset(ctx);
	return 0;
}

/* The user's file, if it is of a session of this kind that is still on. */
static int usable_file(struct fake_kernel *kernel, enum mig_session kind, struct fake_stream **stream)
{
	if (!kernel->held)
		return -EBADF;
	if (!kernel->held->of_device)
		return -ENODEV;
	if (ref_mig_state_session(kernel->state) != kind)
		return -EINVAL;
	*stream = &kernel->held->stream;
	return 0;
}

ssize_t fake_kernel_raw_read(void *ctx, void *buf, size_t size)
{
	struct fake_kernel *kernel = ctx;
	struct fake_stream *stream;
	int ret = usable_file(kernel, MIG_SESSION_SAVE, &stream);

	if (ret)
		return ret;
	if (ref_mig_state_precopies(kernel->state) && fake_stream_ended(stream) && size)
		return fake_kernel_is_faulty(kernel, "precopy-zero") ? 0 : -ENOMSG;
	return (ssize_t)fake_stream_read(stream, buf, size);
}

ssize_t fake_kernel_raw_write(void *ctx, const void *buf, size_t size)
{
	struct fake_stream *stream;
	int ret = usable_file(ctx, MIG_SESSION_LOAD, &stream);

	return ret ? ret : fake_stream_write(stream, buf, size);
}

/* The part of initial_bytes that is unread; the device never dirties what it has sent. */
static uint64_t initial_left(const struct fake_stream *stream)
{
	return stream->position < stream->initial_bytes ? stream->initial_bytes - stream->position : 0;
}

int fake_kernel_raw_precopy_info(void *ctx, struct gw_raw_precopy *info)
{
	struct fake_kernel *kernel = ctx;
	struct fake_stream *stream;
	int ret;

	if (kernel->held && (!ref_mig_state_precopies(kernel->state) || (info->argsz && info->argsz < 24)))
		return -EINVAL;
	ret = usable_file(kernel, MIG_SESSION_SAVE, &stream);
	if (ret)
		return ret;
	info->initial_bytes = initial_left(stream);
	info->dirty_bytes = 0;
	if (!fake_kernel_is_faulty(kernel, "precopy-flags"))
		info->flags = 0;
	return 0;
}

int fake_kernel_raw_poll(void *ctx, short events, int timeout_ms)
{
	struct fake_kernel *kernel = ctx;
	const struct fake_file *file = kernel->held;
	bool at_end, precopies = ref_mig_state_precopies(kernel->state);

	if (!file)
		return -EBADF;
	if (ref_mig_state_session(kernel->state) == MIG_SESSION_LOAD)
		return events & POLLOUT;
	at_end = fake_stream_ended(&file->stream);
	if (precopies && at_end && !fake_kernel_is_faulty(kernel, "precopy-poll-waits")) {
		poll(NULL, 0, timeout_ms); /* nothing more comes */
		return 0;
	}
	if (fake_kernel_is_faulty(kernel, precopies ? "precopy-poll-data" : at_end ? "poll-end" : "poll-data"))
		return 0;
	return events & POLLIN;
}

int fake_kernel_raw_close(void *ctx)
{
	return close_held(ctx);
}

uint64_t fake_kernel_stop_bytes(const struct fake_kernel *kernel)
{
	const struct fake_stream *stream = kernel->file ? &kernel->file->stream : NULL;
	uint64_t unread = stream && ref_mig_state_session(kernel->state) == MIG_SESSION_SAVE
				  ? stream->size - stream->position
				  : 0;

	return kernel->state == MIG_STOP_COPY ? unread : unread + fake_stream_state_bytes();
}
