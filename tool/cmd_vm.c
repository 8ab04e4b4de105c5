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

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct vm_args {
	const char *name, *incoming, *arbiter, *control, *kernel, *initrd, *append, *console, *lack;
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
	  .help = "what executes the guest; auto: kvm where it works for it" },
	{ .name = "kernel",
	  .kind = OPTION_TEXT,
	  FIELD(kernel),
	  .value = "FILE",
	  .help = "kvm: the guest is Linux, this bzImage; at the destination too" },
	{ .name = "initrd", .kind = OPTION_TEXT, FIELD(initrd), .value = "FILE", .help = "of the kernel" },
	{ .name = "append", .kind = OPTION_TEXT, FIELD(append), .value = "TEXT", .help = "the kernel's command line" },
	{ .name = "console",
	  .kind = OPTION_TEXT,
	  FIELD(console),
	  .value = "FILE",
	  .help = "kvm: what the guest says is added to it; -: standard output, as with --kernel" },
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
	{ .name = "lack",
	  .kind = OPTION_TEXT,
	  FIELD(lack),
	  .value = "WHAT",
	  .help = "kvm, for tests of refusals: this host lacks msr:0xN, cpuid:LEAF or slot" },
	DEVICE_ACCESS_OPTIONS(struct vm_args, access),
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "as a client: print the answer as JSON" },
	{ .name = "other-side-stopped",
	  .kind = OPTION_FLAG,
	  FIELD(other_side_stopped),
	  .help = "resume, discard: you made sure of it" },
	{ .name = "force", .kind = OPTION_FLAG, FIELD(force), .help = "quit: even while a migration is on" },
	{ .name = NULL },
};

/*
 * Tells whoever started it, person or program, that it is there: the URI is the last word of its line. Why it is not
 * KVM is told to who left it open.
 */
static void tell_ready(void *ctx, const struct ref_vm_news *news)
{
	const char *guest = "the guest runs";

	if (news->incoming_uri) {
		printf("waiting for a guest at %s\n", news->incoming_uri);
		guest = "it will run";
	}
	printf("%s on %s%s%s\n", guest, news->executor, news->why ? ": " : "", news->why ? news->why : "");
	fflush(stdout);
}

/* What options say of each other. NULL: they go together. */
static const char *misfit(const struct vm_args *args)
{
	if (args->arbiter && !args->incoming)
		return "--arbiter goes with --incoming; the source gets its own by \"godwit migrate --arbiter\"";
	if (args->initrd && !args->kernel)
		return "--initrd goes with --kernel";
	if (args->append && !args->kernel)
		return "--append goes with --kernel";
	if (args->kernel && args->cpu == REF_VM_CPU_THREAD)
		return "--kernel needs --cpu kvm: threads do not execute one";
	if (args->kernel && args->p2p)
		return "--p2p goes without --kernel: Linux has no driver for it";
	if (args->console && args->cpu == REF_VM_CPU_THREAD)
		return "--console needs --cpu kvm: the guest of threads says nothing";
	if (args->lack && args->cpu != REF_VM_CPU_KVM)
		return "--lack goes with --cpu kvm: it is of what KVM has here";
	if (args->devices.nr > GW_MAX_DEVICES)
		return "more devices than a VM can have";
	return NULL;
}

/* The fd, or -1 if what the guest says goes nowhere; of a kernel a person wants to see it. -errno with *e set. */
static int open_console(const struct vm_args *args, int *fd, struct gw_error *e)
{
	const char *path = args->console ? args->console : args->kernel ? "-" : NULL;

	*fd = -1;
	if (!path)
		return 0;
	if (!strcmp(path, "-"))
		*fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	else
		*fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
	return *fd < 0 ? gw_error_set(e, -errno, path, "cannot be opened for the console: %s", strerror(errno)) : 0;
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

static void fill_options(struct ref_vm_options *vm, const struct vm_args *args)
{
	ref_vm_options_init(vm);
	vm->name = args->name;
	vm->memory_bytes = args->memory_bytes;
	vm->nr_vcpus = (uint32_t)args->vcpus;
	vm->nr_devices = args->devices.nr;
	for (unsigned int i = 0; i < args->devices.nr; i++)
		vm->device_uris[i] = args->devices.items[i];
	vm->dirty_bytes_per_s = args->dirty_rate;
	vm->seed = args->seed;
	vm->fill = (enum ref_vm_fill)args->fill;
	vm->device_window_bytes = args->device_window_bytes;
	vm->incoming_uri = args->incoming;
	vm->arbiter_uri = args->arbiter;
	vm->control_path = args->control;
	vm->log = (enum ref_vm_log)args->log;
	vm->cpu = (enum ref_vm_cpu)args->cpu;
	vm->p2p = args->p2p != 0;
	vm->kernel_path = args->kernel;
	vm->initrd_path = args->initrd;
	vm->append = args->append;
	vm->lack = args->lack;
	vm->ready = tell_ready;
}

static int serve(const struct vm_args *args)
{
	const char *wrong = misfit(args);
	struct gw_error e = GW_ERROR_NONE;
	struct ref_vm_options vm;
	int ret;

	if (wrong) {
		say("vm: %s", wrong);
		return EXIT_WRONG_USAGE;
	}
	fill_options(&vm, args);
	ret = open_console(args, &vm.console_fd, &e);
	if (!ret)
		ret = run_traced(&vm, args, &e);
	if (vm.console_fd >= 0)
		close(vm.console_fd);
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
	request.word = words->nr > 1 ? words->items[1] : NULL;
	return vm_client_run(&request);
}

const struct command cmd_vm = {
	.name = "vm",
	.summary = "run the reference VM, or tell a running one something",
	.synopsis = "[OPTION...]\n--control SOCKET status|check|cancel|quit [--json] [--force]\n"
		    "--control SOCKET resume|discard [--other-side-stopped]\n"
		    "--control SOCKET fault KIND",
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
		"  fault    triple-fault, internal-error, vcpu: make KVM's guest, or what executes it, fail (for "
		"tests)\n"
		"  quit     end the VM\n",
	.example = "  godwit vm --memory 1G --device vfio-user:/run/dev0.sock --control /run/source.sock\n"
		   "  godwit vm --control /run/source.sock status\n",
	.options = options,
	.max_words = 2,
	.args_bytes = sizeof(struct vm_args),
	.run = run,
};
