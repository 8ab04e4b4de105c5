/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device's outside: options, and the run from listening to the end. The calling thread is the command
 * socket's thread.
 */
#include "ref/device/ref_device.h"

#include "ref/device/client.h"
#include "ref/device/control.h"
#include "ref/device/device.h"
#include "ref/device/fault_spec.h"
#include "ref/device/listener.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_STATE_BYTES ((uint64_t)16 << 20)

void ref_device_options_init(struct ref_device_options *options)
{
	*options = (struct ref_device_options){
		.state_bytes = DEFAULT_STATE_BYTES,
		.initial_bytes = UINT64_MAX,
		.ready_fd = -1,
	};
}

__attribute__((format(printf, 4, 5))) static int fail(char *error, size_t error_bytes, int code, const char *format,
						      ...)
{
	va_list args;

	if (error_bytes) {
		va_start(args, format);
		vsnprintf(error, error_bytes, format, args);
		va_end(args);
	}
	return code;
}

/* What re-arming is done with or told by: without it the option would do nothing, and nobody would know why. */
static int check_rearms(const struct ref_device_options *options, char *error, size_t error_bytes)
{
	const uint32_t needs = REF_DEVICE_NO_EXTENSION | REF_DEVICE_NO_PRECOPY | REF_DEVICE_NO_MIGRATION;

	if ((options->rearms || options->rearms_p2p) && options->without & needs)
		return fail(error, error_bytes, -EINVAL, "re-arming needs migration, pre-copy and the extension");
	if (options->rearms_p2p && options->without & REF_DEVICE_NO_P2P)
		return fail(error, error_bytes, -EINVAL, "re-arming on the way to PRE_COPY_P2P needs the P2P states");
	return 0;
}

int ref_device_check_fault(const char *fault, char *error, size_t error_bytes)
{
	struct fault parsed;

	return ref_fault_spec_parse(fault, &parsed, error, error_bytes);
}

static int check_faults(const struct ref_device_options *options, char *error, size_t error_bytes)
{
	int ret = 0;

	if (options->nr_faults > REF_DEVICE_MAX_FAULTS)
		return fail(error, error_bytes, -EINVAL, "more than %d faults", REF_DEVICE_MAX_FAULTS);
	for (uint32_t i = 0; i < options->nr_faults && !ret; i++)
		ret = ref_device_check_fault(options->faults[i], error, error_bytes);
	return ret;
}

static int check_options(const struct ref_device_options *options, char *error, size_t error_bytes)
{
	if (options->nr_arc_latencies > REF_DEVICE_MAX_ARC_LATENCIES)
		return fail(error, error_bytes, -EINVAL, "more than %d arc latencies", REF_DEVICE_MAX_ARC_LATENCIES);
	for (uint32_t i = 0; i < options->nr_arc_latencies; i++)
		if (options->arc_latencies[i].from >= MIG_NR_STATES || options->arc_latencies[i].to >= MIG_NR_STATES)
			return fail(error, error_bytes, -EINVAL, "arc latency %u names no device state", i);
	if (check_faults(options, error, error_bytes))
		return -EINVAL;
	return check_rearms(options, error, error_bytes);
}

static int tell_ready(int fd)
{
	uint64_t one = 1;

	return fd < 0 || write(fd, &one, sizeof(one)) == (ssize_t)sizeof(one) ? 0 : -errno;
}

static int serve_clients(struct ref_device *dev, int listener)
{
	int fd;

	while ((fd = ref_listener_accept(listener, dev->stop_fd)) >= 0) {
		ref_client_serve(dev, fd);
		if (ref_fault_link(dev) == FAULT_LINK_DEAD)
			return -ECONNABORTED;
	}
	return fd == -ECANCELED ? 0 : fd;
}

static int listen_and_serve(struct ref_device *dev, const char *path, char *error, size_t error_bytes)
{
	int listener = ref_listener_open(path, 0777), ret;

	if (listener < 0)
		return fail(error, error_bytes, listener, "cannot listen on %s: %s", path, strerror(-listener));
	ret = tell_ready(dev->options->ready_fd);
	if (!ret)
		ret = serve_clients(dev, listener);
	if (ret == -ECONNABORTED)
		fail(error, error_bytes, ret, "a fault told it to die");
	else if (ret)
		fail(error, error_bytes, ret, "cannot serve clients on %s: %s", path, strerror(-ret));
	ref_listener_close(listener, path);
	return ret;
}

int ref_device_run(const char *socket_path, const struct ref_device_options *options, int stop_fd, char *error,
		   size_t error_bytes)
{
	struct ref_device dev;
	struct control control;
	int ret = check_options(options, error, error_bytes);

	if (ret)
		return ret;
	ret = ref_device_init(&dev, options, stop_fd);
	if (ret)
		return fail(error, error_bytes, ret, "no device with %llu bytes of state: %s",
			    (unsigned long long)options->state_bytes, strerror(-ret));
	ret = ref_control_start(&control, &dev, options->control_path);
	if (ret)
		fail(error, error_bytes, ret, "cannot listen on %s: %s", options->control_path, strerror(-ret));
	else
		ret = listen_and_serve(&dev, socket_path, error, error_bytes);
	ref_control_stop(&control);
	ref_device_fini(&dev);
	return ret;
}
