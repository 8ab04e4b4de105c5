/* SPDX-License-Identifier: BSD-3-Clause */
/* The VM as godwit sees it. */
#include "ref/vm/machine.h"

#include "ref/board/board.h"
#include "ref/guest/bare_guest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	/* What an earlier user left going in it would write to this guest's RAM, or to what is to come there. */
	if (!ret && machine->infos[index].features & GW_FEATURE_RESET)
		ret = gw_device_reset(*dev, e);
	return ret ? ret : guest_memory_map(&machine->memory, *dev, e);
}

/* What was asked for that only one of them can do; NULL: nothing. */
static const char *only_kvm(const struct ref_vm_options *options)
{
	return options->kernel_path ? "a kernel" : options->log >= REF_VM_LOG_BITMAP ? "a dirty log of KVM's" : NULL;
}

static const char *only_threads(const struct ref_vm_options *options)
{
	if (options->nr_vcpus > BARE_MAX_VCPUS)
		return "this number of vCPUs";
	if (options->nr_devices > BOARD_MAX_DEVICES)
		return "this number of devices";
	if (options->memory_bytes > BARE_MAX_RAM_BYTES)
		return "so much RAM";
	return options->p2p ? "--p2p" : options->log > REF_VM_LOG_AUTO ? "a dirty log of userfaultfd's" : NULL;
}

static int choose_executor(struct machine *machine, const struct ref_vm_options *options, struct gw_error *e)
{
	const char *kvm = only_kvm(options), *threads = kvm ? NULL : only_threads(options);
	struct gw_error why = GW_ERROR_NONE;

	machine->executor = options->cpu == REF_VM_CPU_THREAD ? &executor_threads : &executor_kvm;
	if (options->cpu == REF_VM_CPU_THREAD && kvm)
		return gw_error_set(e, -EINVAL, "vCPUs", "%s needs --cpu kvm", kvm);
	if (options->p2p && (kvm || options->cpu == REF_VM_CPU_KVM))
		return gw_error_set(e, -EINVAL, "vCPUs", "--p2p needs --cpu thread: KVM's guest has no driver for it");
	if (options->cpu != REF_VM_CPU_AUTO || kvm)
		return 0;
	if (threads || executor_kvm_usable(&why)) {
		machine->executor = &executor_threads;
		snprintf(machine->why, sizeof(machine->why), "%.128s%s", threads ? threads : why.what,
			 threads ? " needs threads" : "");
	}
	return 0;
}

static int open_guest(struct machine *machine, const struct ref_vm_options *options, struct gw_error *e)
{
	struct executor_config config = {
		.options = options,
		.memory = &machine->memory,
		.devices = machine->devices,
		.infos = machine->infos,
		.nr_devices = options->nr_devices,
	};
	int ret = machine->executor->open(&machine->guest, &config, e);

	machine->vm.ops = &machine->executor->vm;
	machine->vm.ctx = machine->guest;
	return ret;
}

int machine_open(struct machine *machine, const struct ref_vm_options *options, struct gw_error *e)
{
	int ret;

	*machine = (struct machine){
		.memory = GUEST_MEMORY_CLOSED,
		.vm = {
			.size = sizeof(machine->vm),
			.name = options->name,
			.ram = machine->memory.blocks,
			.devices = machine->devices,
		},
	};
	ret = choose_executor(machine, options, e);
	if (!ret)
		ret = guest_memory_open(&machine->memory, options->memory_bytes, e);
	machine->vm.nr_ram = machine->memory.nr_blocks;
	for (uint32_t i = 0; !ret && i < options->nr_devices; i++)
		ret = open_device(machine, options, i, e);
	if (!ret)
		ret = open_guest(machine, options, e);
	if (ret)
		machine_close(machine);
	return ret;
}

/* The guest before its devices, the devices before its memory. */
void machine_close(struct machine *machine)
{
	if (machine->guest)
		machine->executor->close(machine->guest);
	machine->guest = NULL;
	while (machine->vm.nr_devices)
		gw_device_close(machine->devices[--machine->vm.nr_devices]);
	guest_memory_close(&machine->memory);
}
