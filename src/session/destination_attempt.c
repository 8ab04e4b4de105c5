/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What belongs to one attempt at the destination: made when its manifest is accepted, checked against PREPARE at its
 * end, gone before the next attempt begins.
 */
#include "session/destination.h"

#include "base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void destination_close_attempt(struct gw_destination *d)
{
	pthread_mutex_lock(&d->door);
	d->data_open = d->rejoinable = false;
	pthread_mutex_unlock(&d->door);
	control_stop(&d->core.control);
	for (uint32_t i = 0; i < GW_MAX_CHANNELS; i++)
		receiver_stop(&d->receivers[i]);
	for (uint32_t i = 0; i < d->nr_loaders; i++)
		loader_fini(&d->loaders[i]);
	d->nr_loaders = 0;
	if (d->digesting)
		page_digest_fini(&d->digest);
	d->digesting = false;
	free(d->source);
	free(d->needs);
	free(d->prepare);
	free(d->vm_state);
	d->source = NULL;
	d->needs = NULL;
	d->nr_needs = 0;
	d->prepare = NULL;
	d->vm_state = NULL;
	d->nr_vm_state = 0;
	d->nr_loaded = d->nr_ended = 0;
	d->watched_ns = 0;
}

/* The loader of each of the source's devices, in the source's order: buffers carry that number. */
static int open_loaders(struct gw_destination *d, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < d->source->nr_devices; i++) {
		struct gw_device *dev = NULL;

		for (uint32_t k = 0; k < d->core.vm.nr_devices; k++)
			if (!strcmp(gw_device_id(d->core.devices[k]), d->source->devices[i].id))
				dev = d->core.devices[k];
		if (!dev)
			return err_set(e, -ENODEV, d->source->devices[i].id, "the device is not here");
		d->nr_loaders = i + 1;
		ret = loader_init(&d->loaders[i], dev, i, d->core.limits.device_window_bytes, &d->core.control,
				  &d->core.mailbox, d->attempt, &d->loaded_bytes[i], e);
	}
	return ret;
}

int destination_open_attempt(struct gw_destination *d, struct gw_error *e)
{
	int ret = open_loaders(d, e);

	if (!ret && d->hello.features & HELLO_VERIFY) {
		ret = page_digest_init(&d->digest, &d->core.ram);
		d->digesting = !ret;
		if (ret)
			return err_set(e, ret, "verify", "no memory for the page digests");
	}
	if (ret)
		return ret;
	d->receiving = (struct receiving){
		.ram = &d->core.ram,
		.digest = d->digesting ? &d->digest : NULL,
		.loaders = d->loaders,
		.nr_loaders = d->nr_loaders,
		.mailbox = &d->core.mailbox,
		.meter = &d->core.meter,
		.link = d->core.link,
		.counts = &d->counts,
	};
	__atomic_store_n(&d->counts.ram_frames, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&d->counts.data_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&d->counts.zero_pages, 0, __ATOMIC_RELAXED);
	d->first_frames = d->first_pages = 0;
	pthread_mutex_lock(&d->door);
	d->data_open = true;
	d->rejoinable = d->hello.reconnect_ms > 0;
	pthread_mutex_unlock(&d->door);
	return 0;
}

bool destination_data_stalled(struct gw_destination *d, struct gw_error *e)
{
	uint64_t now_ns = clock_now_ns(&clock_monotonic), bytes = 0;

	if (d->engine.phase != DESTINATION_FINISHING || d->nr_ended >= d->hello.nr_channels)
		return false;
	for (uint32_t i = 0; i < d->hello.nr_channels; i++)
		bytes += channel_received(&d->receivers[i].channel);
	if (!d->watched_ns || bytes != d->watched_bytes) {
		d->watched_bytes = bytes;
		d->watched_ns = now_ns;
	}
	if (now_ns - d->watched_ns < d->core.limits.stall_ns)
		return false;
	err_set(e, -ETIMEDOUT, "data channels", "%u of %u have not come to their end, and brought nothing for %llu ms",
		d->hello.nr_channels - d->nr_ended, d->hello.nr_channels,
		(unsigned long long)(d->core.limits.stall_ns / NS_PER_MS));
	return true;
}

int destination_check_totals(struct gw_destination *d, struct gw_error *e)
{
	const struct message_prepare *p = d->prepare;
	uint64_t frames = __atomic_load_n(&d->counts.ram_frames, __ATOMIC_RELAXED) - d->first_frames;
	uint64_t pages = __atomic_load_n(&d->counts.data_pages, __ATOMIC_RELAXED) +
			 __atomic_load_n(&d->counts.zero_pages, __ATOMIC_RELAXED) - d->first_pages;

	if (frames != p->ram_frames || pages != p->ram_pages)
		return err_set(e, -EBADMSG, "RAM", "%llu pages arrived, %llu were sent", (unsigned long long)pages,
			       (unsigned long long)p->ram_pages);
	if (d->nr_vm_state != p->vm_state_bytes || XXH3_64bits(d->vm_state, d->nr_vm_state) != p->vm_state_digest)
		return err_set(e, -EBADMSG, "VM", "the VM's state that arrived is not the one that was sent");
	if (p->nr_devices != d->nr_loaders)
		return err_set(e, -EPROTO, "peer", "PREPARE is about %u devices, the manifest was about %u",
			       p->nr_devices, d->nr_loaders);
	for (uint32_t i = 0; i < d->nr_loaders; i++) {
		struct device_loaded got;

		loader_result(&d->loaders[i], &got);
		if (got.total.bytes != p->devices[i].bytes || got.total.buffers != p->devices[i].buffers ||
		    got.total.digest != p->devices[i].digest)
			return err_set(e, -EBADMSG, d->source->devices[i].id,
				       "the device state that was loaded is not the one that was sent");
	}
	return 0;
}
