/* SPDX-License-Identifier: BSD-3-Clause */
/* The reference VM: its parts put together. */
#include "ref/vm/ref_vm.h"

#include "ref/vm/machine.h"
#include "ref/vm/vm_migration.h"
#include "ref/vm_control/control.h"

#include <errno.h>
#include <stdlib.h>

#define MEMORY_UNIT_BYTES (1ull << 20)

const char *const ref_vm_fill_names[] = {
	[REF_VM_FILL_HALF] = "half",
	[REF_VM_FILL_ALL] = "all",
	[REF_VM_FILL_NONE] = "none",
	NULL,
};

const char *const ref_vm_cpu_names[] = {
	[REF_VM_CPU_AUTO] = "auto",
	[REF_VM_CPU_KVM] = "kvm",
	[REF_VM_CPU_THREAD] = "thread",
	NULL,
};

const char *const ref_vm_log_names[] = {
	[REF_VM_LOG_AUTO] = "auto",
	[REF_VM_LOG_ASYNC] = "async",
	[REF_VM_LOG_SYNC] = "sync",
	[REF_VM_LOG_ALL] = "all",
	[REF_VM_LOG_BITMAP] = "bitmap",
	[REF_VM_LOG_RING] = "ring",
	NULL,
};

const char *const ref_vm_no_converge_names[] = {
	[GW_NO_CONVERGE_WAIT] = "wait",
	[GW_NO_CONVERGE_THROTTLE] = "throttle",
	[GW_NO_CONVERGE_CANCEL] = "cancel",
	NULL,
};

void ref_vm_options_init(struct ref_vm_options *options)
{
	*options = (struct ref_vm_options){
		.name = "godwit",
		.memory_bytes = 256ull << 20,
		.nr_vcpus = 2,
		.dirty_bytes_per_s = REF_VM_DIRTY_BYTES_PER_S,
		.seed = 1,
		.device_window_bytes = REF_VM_DEVICE_WINDOW_BYTES,
		.console_fd = -1,
	};
}

static int check_options(const struct ref_vm_options *options, struct gw_error *e)
{
	if (options->memory_bytes < REF_VM_MIN_MEMORY_BYTES || options->memory_bytes % MEMORY_UNIT_BYTES)
		return gw_error_set(e, -EINVAL, "guest RAM", "must be whole MiB, %llu at least",
				    REF_VM_MIN_MEMORY_BYTES >> 20);
	if (!options->nr_vcpus || options->nr_vcpus > REF_VM_MAX_VCPUS)
		return gw_error_set(e, -EINVAL, "vCPUs", "must be 1 to %u", REF_VM_MAX_VCPUS);
	if (options->nr_devices > GW_MAX_DEVICES)
		return gw_error_set(e, -EINVAL, "devices", "at most %u", GW_MAX_DEVICES);
	return 0;
}

/* The guest runs, or is awaited. */
static int begin(struct machine *machine, struct vm_migration *migration, const struct ref_vm_options *options,
		 struct gw_error *e)
{
	struct gw_limits limits = { .size = sizeof(limits), .device_window_bytes = options->device_window_bytes };
	int ret;

	if (options->incoming_uri)
		return vm_migration_listen(migration, options->incoming_uri, &limits, options->arbiter_uri, e);
	ret = machine->executor->boot(machine->guest, e);
	return ret ? ret : machine->vm.ops->resume(machine->vm.ctx, e);
}

static void tell_ready(const struct machine *machine, const struct vm_migration *migration,
		       const struct ref_vm_options *options)
{
	struct ref_vm_news news = {
		.incoming_uri = vm_migration_uri(migration),
		.executor = machine->executor->name,
		.why = machine->why[0] ? machine->why : NULL,
	};

	if (options->ready)
		options->ready(options->ready_ctx, &news);
}

/* The socket comes last: who can ask finds a guest, or a VM that waits for one. */
static int serve(struct machine *machine, struct vm_migration *migration, const struct ref_vm_options *options,
		 int stop_fd, struct gw_error *e)
{
	struct vm_context vm = { .machine = machine, .migration = migration };
	struct control *control = malloc(sizeof(*control));
	int ret;

	if (!control)
		return gw_error_set(e, -ENOMEM, "", "no memory for the control socket");
	ret = control_listen(control, options->control_path, &vm, stop_fd, e);
	if (!ret) {
		tell_ready(machine, migration, options);
		ret = control_serve(control, e);
		control_unlisten(control);
	}
	free(control);
	return ret;
}

static int run(struct machine *machine, struct vm_migration *migration, const struct ref_vm_options *options,
	       int stop_fd, struct gw_error *e)
{
	int ret = machine_open(machine, options, e);

	if (ret)
		return ret;
	ret = vm_migration_init(migration, &machine->vm, e);
	if (!ret)
		ret = begin(machine, migration, options, e);
	if (!ret)
		ret = serve(machine, migration, options, stop_fd, e);
	vm_migration_fini(migration);
	machine_close(machine);
	return ret;
}

int ref_vm_run(const struct ref_vm_options *options, int stop_fd, struct gw_error *e)
{
	struct {
		struct machine machine;
		struct vm_migration migration;
	} * vm;
	int ret = check_options(options, e);

	if (ret)
		return ret;
	vm = malloc(sizeof(*vm));
	if (!vm)
		return gw_error_set(e, -ENOMEM, "", "no memory for a VM");
	ret = run(&vm->machine, &vm->migration, options, stop_fd, e);
	free(vm);
	return ret;
}
