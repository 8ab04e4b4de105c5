/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest: vCPUs and drivers, and their state as one blob. */
#include "ref/guest/guest.h"

#include "ref/guest/page_pattern.h"

#include <errno.h>
#include <string.h>

#define STATE_MAGIC   0x6d767767u /* "gwvm" */
#define STATE_VERSION 3           /* 2: the vCPUs' state has fill; 3: peers */

/* On the vCPU: its own devices only, so a driver is never called by two. */
static void tick(void *ctx, uint32_t cpu, uint32_t turn, uint64_t now_ns)
{
	struct guest *guest = ctx;
	uint32_t i = cpu + turn * guest->nr_vcpus;

	if (i < guest->nr_devices && guest->devices[i].driver)
		guest->devices[i].driver->tick(guest->devices[i].driver_ctx, now_ns);
}

static int open_driver(struct guest *guest, const struct guest_config *config, uint32_t index, struct gw_error *e)
{
	struct guest_device *device = &guest->devices[index];
	uint64_t at = (uint64_t)index * DRIVER_AREA_BYTES;
	const struct driver_ops *driver = driver_find(&config->infos[index]);
	struct driver_env env = {
		.dev = config->devices[index],
		.area_gpa = at, /* far below the hole, where address and place are the same */
		.area = config->memory->hva + at,
		.seed = page_pattern_mix(config->seed + index + 1),
		.integrity = &guest->integrity,
		.peer = peers_next(config->peers, index),
	};
	int ret = driver ? driver->open(&device->driver_ctx, &env, e) : 0;

	device->dev = config->devices[index];
	if (!ret)
		device->driver = driver;
	return ret;
}

static int open_cpus(struct guest *guest, const struct guest_config *config, struct gw_error *e)
{
	struct cpu_config cpus = {
		.nr = config->nr_vcpus,
		.ram = config->memory->hva,
		.nr_pages = config->memory->size_bytes / GW_PAGE_BYTES,
		.nr_reserved_pages = (uint64_t)config->nr_devices * DRIVER_AREA_BYTES / GW_PAGE_BYTES,
		.seed = config->seed,
		.dirty_bytes_per_s = config->dirty_bytes_per_s,
		.fill = config->fill,
		.integrity = &guest->integrity,
		.tick = tick,
		.nr_turns = (config->nr_devices + config->nr_vcpus - 1) / config->nr_vcpus,
		.tick_ctx = guest,
	};

	return guest->cpu_ops->start(&guest->cpus, &cpus, e);
}

int guest_open(struct guest *guest, const struct guest_config *config, struct gw_error *e)
{
	int ret;

	*guest = (struct guest){
		.memory = config->memory,
		.cpu_ops = &cpu_thread_ops,
		.nr_vcpus = config->nr_vcpus,
		.nr_devices = config->nr_devices,
		.has_peers = config->peers && config->peers->nr,
	};
	pthread_mutex_init(&guest->lock, NULL);
	integrity_init(&guest->integrity);
	ret = open_cpus(guest, config, e);
	for (uint32_t i = 0; !ret && i < config->nr_devices; i++)
		ret = open_driver(guest, config, i, e);
	if (ret)
		guest_close(guest);
	return ret;
}

void guest_close(struct guest *guest)
{
	if (!guest->cpu_ops)
		return;
	guest->cpu_ops->stop(guest->cpus);
	for (uint32_t i = 0; i < guest->nr_devices; i++)
		if (guest->devices[i].driver)
			guest->devices[i].driver->close(guest->devices[i].driver_ctx);
	pthread_mutex_destroy(&guest->lock);
	*guest = (struct guest){ .cpu_ops = NULL };
}

int guest_boot(struct guest *guest, struct gw_error *e)
{
	int ret = 0;

	guest->cpu_ops->boot(guest->cpus);
	for (uint32_t i = 0; !ret && i < guest->nr_devices; i++)
		if (guest->devices[i].driver)
			ret = guest->devices[i].driver->start(guest->devices[i].driver_ctx, e);
	return ret;
}

static void pause_locked(struct guest *guest)
{
	if (!guest->running)
		return;
	guest->cpu_ops->pause(guest->cpus);
	guest->running = 0;
}

static void resume_locked(struct guest *guest)
{
	if (guest->running)
		return;
	guest->running = 1;
	guest->cpu_ops->resume(guest->cpus);
}

void guest_pause(struct guest *guest)
{
	pthread_mutex_lock(&guest->lock);
	pause_locked(guest);
	pthread_mutex_unlock(&guest->lock);
}

void guest_resume(struct guest *guest)
{
	pthread_mutex_lock(&guest->lock);
	resume_locked(guest);
	pthread_mutex_unlock(&guest->lock);
}

void guest_throttle(struct guest *guest, uint32_t percent)
{
	guest->throttle_percent = percent;
	guest->cpu_ops->throttle(guest->cpus, percent);
}

void guest_check(struct guest *guest)
{
	int ran;

	pthread_mutex_lock(&guest->lock);
	ran = guest->running;
	pause_locked(guest);
	guest->cpu_ops->check(guest->cpus);
	for (uint32_t i = 0; i < guest->nr_devices; i++)
		if (guest->devices[i].driver)
			guest->devices[i].driver->check(guest->devices[i].driver_ctx);
	if (ran)
		resume_locked(guest);
	pthread_mutex_unlock(&guest->lock);
}

static const char *driver_name(const struct guest_device *device)
{
	return device->driver ? device->driver->name : "";
}

static void save_device(const struct guest_device *device, struct blob_out *out)
{
	size_t part;

	blob_put_text(out, gw_device_id(device->dev));
	blob_put_text(out, driver_name(device));
	part = blob_begin(out);
	if (device->driver)
		device->driver->save(device->driver_ctx, out);
	blob_end(out, part);
}

static void encode(struct guest *guest, struct blob_out *out)
{
	blob_put_u32(out, STATE_MAGIC);
	blob_put_u32(out, STATE_VERSION);
	blob_put_u64(out, guest->memory->size_bytes);
	blob_put_u32(out, guest->nr_devices);
	blob_put_u32(out, guest->has_peers);
	integrity_save(&guest->integrity, out);
	guest->cpu_ops->save(guest->cpus, out);
	for (uint32_t i = 0; i < guest->nr_devices; i++)
		save_device(&guest->devices[i], out);
}

ssize_t guest_save(struct guest *guest, void *buf, size_t size_bytes)
{
	struct blob_out sizing = { .buf = NULL };
	struct blob_out out = { .buf = buf, .size_bytes = size_bytes };

	pthread_mutex_lock(&guest->lock);
	encode(guest, &sizing);
	if (sizing.used_bytes <= size_bytes)
		encode(guest, &out);
	pthread_mutex_unlock(&guest->lock);
	return (ssize_t)sizing.used_bytes;
}

static int load_head(struct guest *guest, struct blob_in *in, struct gw_error *e)
{
	uint32_t magic = blob_get_u32(in);
	uint32_t version = blob_get_u32(in);
	uint64_t memory_bytes = blob_get_u64(in);
	uint32_t nr_devices = blob_get_u32(in);
	uint32_t has_peers = blob_get_u32(in);

	if (in->bad || magic != STATE_MAGIC)
		return gw_error_set(e, -EBADMSG, "guest", "what came is not the state of a reference VM");
	if (version != STATE_VERSION)
		return gw_error_set(e, -EPROTONOSUPPORT, "guest", "its state has version %u, known is %u", version,
				    STATE_VERSION);
	if (memory_bytes != guest->memory->size_bytes || nr_devices != guest->nr_devices)
		return gw_error_set(e, -EBADMSG, "guest", "it has %llu MiB and %u devices, this VM %llu MiB and %u",
				    (unsigned long long)(memory_bytes >> 20), nr_devices,
				    (unsigned long long)(guest->memory->size_bytes >> 20), guest->nr_devices);
	if (has_peers != guest->has_peers)
		return gw_error_set(e, -EBADMSG, "guest", "its devices %s to each other, those of this VM %s (--p2p)",
				    has_peers ? "write" : "do not write", guest->has_peers ? "do" : "do not");
	return 0;
}

static int load_device(struct guest_device *device, struct blob_in *in, struct gw_error *e)
{
	char id[GW_DEVICE_ID_BYTES], name[32];
	struct blob_in part;

	blob_get_text(in, id, sizeof(id));
	blob_get_text(in, name, sizeof(name));
	part = blob_get_part(in);
	if (in->bad || strcmp(id, gw_device_id(device->dev)))
		return gw_error_set(e, -EBADMSG, gw_device_id(device->dev), "the guest's state is of a device \"%s\"",
				    id);
	if (strcmp(name, driver_name(device)))
		return gw_error_set(e, -EBADMSG, id, "the guest's driver for it is \"%s\", here it would be \"%s\"",
				    name, driver_name(device));
	if (device->driver && (device->driver->load(device->driver_ctx, &part) || !blob_ended(&part)))
		return gw_error_set(e, -EBADMSG, id, "the state of its driver makes no sense");
	return 0;
}

static int decode(struct guest *guest, struct blob_in *in, struct gw_error *e)
{
	int ret = load_head(guest, in, e);

	if (ret)
		return ret;
	integrity_load(&guest->integrity, in);
	ret = guest->cpu_ops->load(guest->cpus, in, e);
	for (uint32_t i = 0; !ret && i < guest->nr_devices; i++)
		ret = load_device(&guest->devices[i], in, e);
	if (!ret && !blob_ended(in))
		ret = gw_error_set(e, -EBADMSG, "guest", "its state is %s", in->bad ? "cut short" : "too long");
	return ret;
}

int guest_load(struct guest *guest, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct blob_in in = { .at = buf, .left_bytes = size_bytes };
	int ret;

	pthread_mutex_lock(&guest->lock);
	ret = decode(guest, &in, e);
	pthread_mutex_unlock(&guest->lock);
	return ret;
}

static void add_driver_counters(const struct guest *guest, struct guest_counters *counters)
{
	for (uint32_t i = 0; i < guest->nr_devices; i++) {
		const struct guest_device *device = &guest->devices[i];
		struct driver_counters of_driver = { 0 };

		if (!device->driver)
			continue;
		device->driver->counters(device->driver_ctx, &of_driver);
		counters->operations += of_driver.operations;
		counters->stamps += of_driver.stamps;
		counters->peer_writes += of_driver.peer_writes;
	}
}

void guest_get_counters(struct guest *guest, struct guest_counters *counters)
{
	struct cpu_counters cpus;

	*counters = (struct guest_counters){ .nr_vcpus = guest->nr_vcpus,
					     .running = guest->running,
					     .has_peers = guest->has_peers,
					     .throttle_percent = guest->throttle_percent };
	counters->errors = integrity_get(&guest->integrity, counters->first_error);
	guest->cpu_ops->counters(guest->cpus, &cpus);
	counters->pages_written = cpus.pages_written;
	counters->pages_checked = cpus.pages_checked;
	add_driver_counters(guest, counters);
}
