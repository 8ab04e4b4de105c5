/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls of a destination: arguments checked, things made, the threads started, all of it undone. */
#include "session/destination.h"

#include "base/err.h"
#include "base/export.h"
#include "base/fd.h"
#include "base/thread.h"

#include <errno.h>
#include <stdlib.h>

GW_EXPORT int gw_destination_new(struct gw_destination **destination, const struct gw_vm *vm,
				 const struct gw_limits *limits, struct gw_error *e)
{
	struct gw_destination *d;
	int ret;

	*destination = NULL;
	if (!vm || !vm->ops)
		return err_set(e, -EINVAL, "VM", "there is no VM, or it has no callbacks");
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(e, -ENOMEM, "session", "no memory");
	pthread_mutex_init(&d->door, NULL);
	d->listener.fd = -1;
	d->arrived.type = NOTE_CONTROL;
	d->rejoined.type = NOTE_REJOINED;
	d->candidate = -1;
	for (uint32_t i = 0; i < GW_MAX_CHANNELS; i++)
		receiver_init(&d->receivers[i]);
	ret = core_init(&d->core, vm, limits, e);
	if (ret)
		gw_destination_free(d);
	else
		*destination = d;
	return ret;
}

GW_EXPORT int gw_destination_start(struct gw_destination *d, const char *uri, struct gw_error *e)
{
	struct destination_config config = { .stall_ns = d->core.limits.stall_ns };
	struct address address;
	int ret;

	if (d->core.started)
		return err_set(e, -EBUSY, "session", "this destination has been started before; make a new one");
	ret = address_parse(&address, uri, e);
	if (!ret)
		ret = listener_open(&d->listener, &address, e);
	if (ret)
		return ret;
	listener_uri(&d->listener, d->uri, sizeof(d->uri));
	destination_engine_init(&d->engine, &config);
	ret = core_start(&d->core, "gw-destination", destination_run, d, e);
	if (ret)
		return ret;
	ret = thread_start(&d->acceptor, "gw-acceptor", destination_accept, d);
	d->accepting = !ret;
	return ret ? err_set(e, ret, "session", "cannot start a thread") : 0;
}

GW_EXPORT const char *gw_destination_uri(const struct gw_destination *d)
{
	return d->uri;
}

GW_EXPORT int gw_destination_cancel(struct gw_destination *d)
{
	if (core_outcome(&d->core) == GW_OWNER_UNKNOWN)
		return core_decide(&d->core, &d->core.cancel, NULL) ? -EALREADY : 0;
	return core_cancel(&d->core, NULL);
}

GW_EXPORT int gw_destination_wait(struct gw_destination *d, int timeout_ms)
{
	return core_wait(&d->core, timeout_ms);
}

GW_EXPORT const struct gw_report *gw_destination_report(const struct gw_destination *d)
{
	return &d->core.report;
}

GW_EXPORT int gw_destination_take_over(struct gw_destination *d, struct gw_error *e)
{
	return core_decide(&d->core, &d->core.decide, e);
}

GW_EXPORT void gw_destination_free(struct gw_destination *d)
{
	if (!d)
		return;
	gw_destination_cancel(d);
	if (d->core.started)
		core_wait(&d->core, -1); /* too late to cancel: then for what comes of it */
	listener_shutdown(&d->listener);
	if (d->accepting)
		pthread_join(d->acceptor, NULL);
	core_fini(&d->core);
	listener_close(&d->listener);
	fd_close(&d->candidate);
	for (uint32_t i = 0; i < GW_MAX_CHANNELS; i++)
		receiver_stop(&d->receivers[i]);
	pthread_mutex_destroy(&d->door);
	free(d);
}
