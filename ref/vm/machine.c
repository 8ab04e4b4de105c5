/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM as godwit sees it. */
#include "ref/vm/machine.h"

#include "ref/vm/pace.h"

#include <errno.h>
#include <stdio.h>

static int pause_vm(void *ctx, struct gw_error *e)
{
	struct machine *machine = ctx;

	guest_pause(&machine->guest);
	return 0;
}

static int resume_vm(void *ctx, struct gw_error *e)
{
	struct machine *machine = ctx;

	guest_resume(&machine->guest);
	return 0;
}

static int throttle_vm(void *ctx, uint32_t percent, struct gw_error *e)
{
	struct machine *machine = ctx;

	if (percent > PACE_MAX_THROTTLE)
		return gw_error_set(e, -EINVAL, "guest", "%u percent of the time to stand still is too much", percent);
	guest_throttle(&machine->guest, percent);
	return 0;
}

static int start_log(void *ctx, struct gw_error *e)
{
	struct machine *machine = ctx;

	return gw_process_log_start(machine->log, e);
}

static int sync_log(void *ctx, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	struct machine *machine = ctx;

	return gw_process_log_sync(machine->log, block, bitmap, e);
}

static void stop_log(void *ctx)
{
	struct machine *machine = ctx;

	gw_process_log_stop(machine->log);
}

static ssize_t save_state(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct machine *machine = ctx;

	return guest_save(&machine->guest, buf, size_bytes);
}

static int load_state(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e)
{
	struct machine *machine = ctx;

	return guest_load(&machine->guest, buf, size_bytes, e);
}

static const struct gw_vm_ops ops = {
	.size = sizeof(ops),
	.pause = pause_vm,
	.resume = resume_vm,
	.dirty_start = start_log,
	.dirty_sync = sync_log,
	.dirty_stop = stop_log,
	.state_save = save_state,
	.state_load = load_state,
	.throttle = throttle_vm,
};

static int open_device(struct machine *machine, const struct ref_vm_options *options, uint32_t index,
		       struct gw_error *e)
{
	struct gw_open_options how = { .size = sizeof(how), .trace = options->trace };
	struct gw_device **dev = &machine->devices[index];
	char id[GW_DEVICE_ID_BYTES];
	int ret;

	snprintf(id, sizeof(id), "dev%u", index);
	ret = gw_device_open_with(dev, id, options->device_uris[index], &how, e);
	if (ret)
		return ret;
	machine->vm.nr_devices++;
	ret = gw_device_get_info(*dev, &machine->infos[index], e);
	/* What an earlier user left in it is not this guest's. A device that waits for a guest's state keeps quiet. */
	if (!ret && !options->incoming_uri && machine->infos[index].features & GW_FEATURE_RESET)
		ret = gw_device_reset(*dev, e);
	return ret ? ret : guest_memory_map(&machine->memory, *dev, e);
}

static int open_guest(struct machine *machine, const struct ref_vm_options *options, struct gw_error *e)
{
	struct guest_config config = {
		.memory = &machine->memory,
		.devices = machine->devices,
		.infos = machine->infos,
		.nr_devices = options->nr_devices,
		.peers = &machine->peers,
		.nr_vcpus = options->nr_vcpus,
		.dirty_bytes_per_s = options->dirty_bytes_per_s,
		.seed = options->seed,
		.fill = options->fill,
	};

	return guest_open(&machine->guest, &config, e);
}

int machine_open(struct machine *machine, const struct ref_vm_options *options, struct gw_error *e)
{
	int ret;

	*machine = (struct machine){
		.memory = GUEST_MEMORY_CLOSED,
		.vm = {
			.size = sizeof(machine->vm),
			.name = options->name,
			.ops = &ops,
			.ctx = machine,
			.ram = machine->memory.blocks,
			.devices = machine->devices,
		},
	};
	ret = guest_memory_open(&machine->memory, options->memory_bytes, e);
	machine->vm.nr_ram = machine->memory.nr_blocks;
	if (!ret)
		ret = gw_process_log_new(&machine->log, machine->memory.blocks, machine->memory.nr_blocks,
					 options->log_mode, e);
	for (uint32_t i = 0; !ret && i < options->nr_devices; i++)
		ret = open_device(machine, options, i, e);
	if (!ret && options->p2p)
		ret = peers_open(&machine->peers, machine->devices, options->nr_devices, e);
	if (!ret)
		ret = open_guest(machine, options, e);
	if (ret)
		machine_close(machine);
	return ret;
}

void machine_close(struct machine *machine)
{
	guest_close(&machine->guest);
	while (machine->vm.nr_devices)
		gw_device_close(machine->devices[--machine->vm.nr_devices]);
	peers_close(&machine->peers);
	gw_process_log_free(machine->log);
	guest_memory_close(&machine->memory);
	machine->log = NULL;
}
