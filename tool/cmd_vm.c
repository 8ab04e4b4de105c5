/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit vm": runs the reference VM until it is told to quit. With a word at the end it is a client instead: it
 * tells a running VM something through its control socket (vm_client.c).
 */
#include "command.h"
#include "device_access.h"
#include "ref/vm/ref_vm.h"
#include "say.h"
#include "stop_signals.h"
#include "vm_client.h"

struct vm_args {
	const char *name, *incoming, *arbiter, *control;
	uint64_t memory_bytes, vcpus, dirty_rate, seed, device_window_bytes;
	struct text_list devices;
	struct device_access access;
	uint32_t cpu, log, fill, p2p, json, other_side_stopped, force;
};

#define FIELD(field) .offset = offsetof(struct vm_args, field)

static const struct option options[] = {
	{ .name = "control", .kind = OPTION_TEXT, FIELD(control), .value = "SOCKET", .help = "its control socket" },
	{ .name = "name",
	  .kind = OPTION_TEXT,
	  FIELD(name),
	  .value = "NAME",
	  .standard = "godwit",
	  .help = "of the VM" },
	{ .name = "memory",
	  .kind = OPTION_SIZE,
	  FIELD(memory_bytes),
	  .value = "SIZE",
	  .standard = "256M",
	  .min = REF_VM_MIN_MEMORY_BYTES,
	  .max = 1ull << 42,
	  .help = "guest RAM, whole MiB" },
	{ .name = "vcpus",
	  .kind = OPTION_COUNT,
	  FIELD(vcpus),
	  .value = "N",
	  .standard = "2",
	  .min = 1,
	  .max = REF_VM_MAX_VCPUS,
	  .help = "vCPUs" },
	{ .name = "cpu",
	  .kind = OPTION_CHOICE,
	  FIELD(cpu),
	  .value = "KIND",
	  .standard = "auto",
	  .choices = ref_vm_cpu_names,
	  .help = "what executes the guest; auto: kvm where it works" },
	{ .name = "device",
	  .kind = OPTION_LIST,
	  FIELD(devices),
	  .value = "URI",
	  .help = "a device, once each: vfio-user:PATH or vfio:..." },
	{ .name = "p2p", .kind = OPTION_FLAG, FIELD(p2p), .help = "devices write to each other's memory all the time" },
	{ .name = "incoming",
	  .kind = OPTION_TEXT,
	  FIELD(incoming),
	  .value = "URI",
	  .help = "wait for a guest at tcp:HOST:PORT (0: any) or unix:PATH" },
	{ .name = "arbiter",
	  .kind = OPTION_TEXT,
	  FIELD(arbiter),
	  .value = "file:DIR",
	  .help = "incoming: who decides if the connection breaks in the handover; as at the source" },
	{ .name = "dirty-rate",
	  .kind = OPTION_RATE,
	  FIELD(dirty_rate),
	  .value = "RATE",
	  .standard = "200M",
	  .help = "what the guest writes; 0: as fast as it can" },
	{ .name = "fill",
	  .kind = OPTION_CHOICE,
	  FIELD(fill),
	  .value = "PART",
	  .standard = "half",
	  .choices = ref_vm_fill_names,
	  .help = "of guest RAM that holds data at the start" },
	{ .name = "dirty-log",
	  .kind = OPTION_CHOICE,
	  FIELD(log),
	  .value = "MODE",
	  .standard = "auto",
	  .choices = ref_vm_log_names,
	  .help = "how its writes are tracked" },
	{ .name = "seed",
	  .kind = OPTION_COUNT,
	  FIELD(seed),
	  .value = "N",
	  .standard = "1",
	  .help = "of what it writes" },
	{ .name = "device-window",
	  .kind = OPTION_SIZE,
	  FIELD(device_window_bytes),
	  .value = "SIZE",
	  .max = 48ull << 20,
	  .help = "incoming: bytes on the way for each device; 0: the default" },
	DEVICE_ACCESS_OPTIONS(struct vm_args, access),
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "as a client: print the answer as JSON" },
	{ .name = "other-side-stopped",
	  .kind = OPTION_FLAG,
	  FIELD(other_side_stopped),
	  .help = "resume, discard: you made sure of it" },
	{ .name = "force", .kind = OPTION_FLAG, FIELD(force), .help = "quit: even while a migration is on" },
	{ .name = NULL },
};

/* Tells whoever started it, person or program, that it is there. */
static void tell_ready(void *ctx, const struct ref_vm_news *news)
{
	if (news->incoming_uri)
		printf("waiting for a guest at %s\n", news->incoming_uri);
	else
		printf("the guest runs\n");
	fflush(stdout);
}

static int run_traced(struct ref_vm_options *vm, const struct vm_args *args, struct gw_error *e)
{
	struct device_access access = args->access;
	int ended, ret = device_access_begin(&access, e);

	vm->trace = device_access_trace(&access);
	if (!ret)
		ret = stop_signals_open(e);
	if (ret >= 0)
		ret = ref_vm_run(vm, ret, e);
	ended = device_access_end(&access, e);
	return ret < 0 ? ret : ended;
}

static int serve(const struct vm_args *args)
{
	struct gw_error e = GW_ERROR_NONE;
	struct ref_vm_options vm;
	int ret;

	if (args->arbiter && !args->incoming) {
		say("vm: --arbiter goes with --incoming; the source gets its own by \"godwit migrate --arbiter\"");
		return EXIT_WRONG_USAGE;
	}
	if (args->devices.nr > GW_MAX_DEVICES) {
		say("vm: at most %d devices", GW_MAX_DEVICES);
		return EXIT_WRONG_USAGE;
	}
	ref_vm_options_init(&vm);
	vm.name = args->name;
	vm.memory_bytes = args->memory_bytes;
	vm.nr_vcpus = (uint32_t)args->vcpus;
	vm.nr_devices = args->devices.nr;
	for (unsigned int i = 0; i < args->devices.nr; i++)
		vm.device_uris[i] = args->devices.items[i];
	vm.dirty_bytes_per_s = args->dirty_rate;
	vm.seed = args->seed;
	vm.fill = (enum ref_vm_fill)args->fill;
	vm.device_window_bytes = args->device_window_bytes;
	vm.incoming_uri = args->incoming;
	vm.arbiter_uri = args->arbiter;
	vm.control_path = args->control;
	vm.log = (enum ref_vm_log)args->log;
	vm.cpu = (enum ref_vm_cpu)args->cpu;
	vm.p2p = args->p2p != 0;
	vm.ready = tell_ready;

	ret = run_traced(&vm, args, &e);
	if (ret < 0)
		say_error(&e);
	return ret < 0 ? EXIT_FAILED : EXIT_DONE;
}

static int run(const void *data, const struct words *words)
{
	const struct vm_args *args = data;
	struct vm_request request = {
		.control = args->control,
		.json = args->json,
		.other_side_stopped = args->other_side_stopped,
		.force = args->force,
	};

	if (!words->nr)
		return serve(args);
	request.command = words->items[0];
	return vm_client_run(&request);
}

const struct command cmd_vm = {
	.name = "vm",
	.summary = "run the reference VM, or tell a running one something",
	.synopsis = "[OPTION...]\n--control SOCKET status|check|cancel|quit [--json] [--force]\n"
		    "--control SOCKET resume|discard [--other-side-stopped]",
	.description =
		"Runs a VM whose guest works on its memory, drives its devices and checks itself, until \"quit\" or a\n"
		"signal. With --incoming it waits for a guest that comes by \"godwit migrate\".\n"
		"\n"
		"With a word at the end it is a client of a VM that runs:\n"
		"  status   what it does, and what its guest has found\n"
		"  check    pause the guest, check every page and device, let it go on\n"
		"  cancel   stop the migration that is on; the guest goes on\n"
		"  resume   after owner-unknown: run the guest here\n"
		"  discard  after owner-unknown: give the guest up here\n"
		"  quit     end the VM\n",
	.example = "  godwit vm --memory 1G --device vfio-user:/run/dev0.sock --control /run/source.sock\n"
		   "  godwit vm --control /run/source.sock status\n",
	.options = options,
	.max_words = 1,
	.args_bytes = sizeof(struct vm_args),
	.run = run,
};
