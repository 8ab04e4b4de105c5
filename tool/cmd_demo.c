/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit demo": a guest with devices moves from one process to another, before your eyes. The story is told here:
 * stage, guest at work, migration, guest at work on the other side, report. What the processes are: demo_stage.c.
 */
#include "command.h"
#include "control_client.h"
#include "json.h"
#include "ref/vm/ref_vm.h"
#include "report_view.h"
#include "say.h"
#include "stop_signals.h"
#include "tool/demo/demo.h"
#include "units.h"

#include <errno.h>
#include <godwit/godwit.h>
#include <string.h>

#define MIB           (1ull << 20)
#define PROCESS_BYTES (64 * MIB) /* what a VM may need beside guest RAM, and again for each of its devices */

static const char *const transports[] = { [DEMO_TCP] = "tcp", [DEMO_UNIX] = "unix", NULL };

#define FIELD(field) .offset = offsetof(struct demo_args, field)

static const struct option options[] = {
	{ .name = "memory",
	  .kind = OPTION_SIZE,
	  FIELD(memory_bytes),
	  .value = "SIZE",
	  .standard = "1G",
	  .min = 16 * MIB,
	  .max = 1ull << 42,
	  .help = "guest RAM" },
	{ .name = "vcpus",
	  .kind = OPTION_COUNT,
	  FIELD(vcpus),
	  .value = "N",
	  .standard = "2",
	  .min = 1,
	  .max = 64,
	  .help = "vCPUs" },
	{ .name = "cpu",
	  .kind = OPTION_CHOICE,
	  FIELD(cpu),
	  .value = "KIND",
	  .standard = "auto",
	  .choices = ref_vm_cpu_names,
	  .help = "what executes the guest; auto: kvm where it works for it" },
	{ .name = "devices",
	  .kind = OPTION_COUNT,
	  FIELD(devices),
	  .value = "N",
	  .standard = "2",
	  .max = GW_MAX_DEVICES,
	  .help = "devices" },
	{ .name = "p2p", .kind = OPTION_FLAG, FIELD(p2p), .help = "devices write to each other's memory all the time" },
	{ .name = "state-size",
	  .kind = OPTION_SIZE,
	  FIELD(state_bytes),
	  .value = "SIZE",
	  .standard = "64M",
	  .min = 64ull << 10,
	  .max = 1ull << 40,
	  .help = "state of each device" },
	{ .name = "dirty-rate",
	  .kind = OPTION_RATE,
	  FIELD(dirty_rate),
	  .value = "RATE",
	  .standard = "200M",
	  .help = "what the guest writes to its RAM; 0: as fast as it can" },
	{ .name = "fill",
	  .kind = OPTION_CHOICE,
	  FIELD(fill),
	  .value = "PART",
	  .standard = "half",
	  .choices = ref_vm_fill_names,
	  .help = "of guest RAM that holds data at the start" },
	MIGRATION_OPTIONS(struct demo_args, limits),
	DEVICE_ACCESS_OPTIONS(struct demo_args, access),
	{ .name = "transition-latency",
	  .kind = OPTION_DURATION,
	  FIELD(latency_ns),
	  .value = "TIME",
	  .standard = "0",
	  .max = 60000000000,
	  .help = "what every change of a device's state takes" },
	{ .name = "transport",
	  .kind = OPTION_CHOICE,
	  FIELD(transport),
	  .value = "KIND",
	  .standard = "tcp",
	  .choices = transports,
	  .help = "between the VMs" },
	{ .name = "seed",
	  .kind = OPTION_COUNT,
	  FIELD(seed),
	  .value = "N",
	  .standard = "1",
	  .help = "of what the guest does" },
	{ .name = "no-verify",
	  .kind = OPTION_FLAG,
	  FIELD(unverified),
	  .help = "do not compare the two sides: only to time a migration" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  FIELD(json),
	  .help = "print the report as one JSON document, nothing else" },
	{ .name = NULL },
};

static uint64_t available_bytes(void)
{
	unsigned long long kib = 0;
	char line[128];
	FILE *meminfo = fopen("/proc/meminfo", "re");

	while (meminfo && fgets(line, sizeof(line), meminfo))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (meminfo)
		fclose(meminfo);
	return kib * 1024;
}

/* Everything exists twice: guest RAM, each device's memory, and what the processes need for themselves. */
static int check_memory(const struct demo_args *args, struct gw_error *e)
{
	uint64_t need = args->memory_bytes + PROCESS_BYTES, available = available_bytes();

	if (args->devices && args->state_bytes > (UINT64_MAX / 4 - need) / args->devices - PROCESS_BYTES)
		return gw_error_set(e, -ERANGE, "", "that much device state does not fit anywhere");
	need = 2 * (need + args->devices * (args->state_bytes + PROCESS_BYTES));
	if (!available || need <= available)
		return 0;
	return gw_error_set(e, -ENOMEM, "",
			    "both sides together may need %s of memory, and %s is available: choose a smaller "
			    "--memory, --state-size or --devices",
			    units_size(need).s, units_size(available).s);
}

static void tell_options(struct demo *demo)
{
	const struct demo_args *args = demo->args;

	if (!demo->out)
		return;
	fprintf(demo->out, "A guest with %s of RAM, %llu vCPUs and %llu devices of %s each ",
		units_size(args->memory_bytes).s, (unsigned long long)args->vcpus, (unsigned long long)args->devices,
		units_size(args->state_bytes).s);
	fprintf(demo->out, "moves over %s.\n\n", transports[args->transport]);
}

/* Both sides chose alike: they stand on one host. */
static void tell_cpu(struct demo *demo)
{
	const char *why = json_text(demo->status, "cpu_why");

	if (demo->out)
		fprintf(demo->out, "  the guest runs on %s%s%s\n", json_text(demo->status, "cpu"), why[0] ? ": " : "",
			why);
}

static void tell_guest(struct demo *demo, const char *where, const json_t *guest)
{
	if (!demo->out)
		return;
	fprintf(demo->out, "  at the %s the guest has written %s pages, ", where,
		units_count(json_u64(guest, "pages_written")).s);
	fprintf(demo->out, "ended %s operations ", units_count(json_u64(guest, "operations")).s);
	fprintf(demo->out, "and taken %s stamps\n", units_count(json_u64(guest, "stamps")).s);
	fflush(demo->out);
}

/* By its own clock, while nothing but the move has paused it here. Threads have none that stands still. */
static void tell_pause(const struct demo *demo, const json_t *report)
{
	const json_t *guest = json_object_get(report, "guest");

	if (demo->out && json_has(guest, "largest_pause_ns"))
		fprintf(demo->out, "\nthe guest's own clock saw a pause of %s; the report's downtime is %s\n",
			units_ms((double)json_u64(guest, "largest_pause_ns") / 1e6).s,
			units_ms(json_ms(report, "downtime_ms")).s);
}

static int migrate(struct demo *demo, json_t **report, struct gw_error *e)
{
	struct progress_view view;
	char uri[DEMO_PATH_BYTES + 64];
	int ret = demo_wait_status(demo, DEMO_DESTINATION, e);

	if (ret)
		return ret;
	snprintf(uri, sizeof(uri), "%s", json_text(demo->status, "incoming"));
	if (demo->out)
		progress_begin(&view, demo->out);
	return migration_run(demo->control[DEMO_SOURCE], uri, &demo->args->limits, demo->stop_fd,
			     demo->out ? &view : NULL, report, e);
}

/* What the guest found: before the move at the source, after it, over every page, at the destination. */
static int add_findings(struct demo *demo, json_t *report, struct gw_error *e)
{
	const json_t *after;
	json_t *answer = NULL, *guest, *arrived = NULL;
	int ret = demo_stage_arrived(demo, e);

	if (!ret)
		arrived = json_object_get(demo->status, "guest"); /* before the check, which is a pause too */
	if (!ret)
		ret = control_client_ask_once(demo->control[DEMO_DESTINATION], json_pack("{s:s}", "command", "check"),
					      &answer, e);
	if (ret)
		return ret;
	after = json_object_get(answer, "guest");
	tell_guest(demo, "destination", after);
	guest = json_pack("{s:I, s:I, s:I, s:I, s:I}", "source_errors", (json_int_t)json_u64(demo->before, "errors"),
			  "destination_errors", (json_int_t)json_u64(after, "errors"), "pages_checked",
			  (json_int_t)json_u64(after, "pages_checked"), "stamps", (json_int_t)json_u64(after, "stamps"),
			  "operations", (json_int_t)json_u64(after, "operations"));
	if (json_u64(after, "errors"))
		ret = gw_error_set(e, -EIO, "guest", "found an integrity error after the move: %s",
				   json_text(after, "first_error"));
	json_object_set(guest, "cpu", json_object_get(demo->status, "cpu"));
	if (json_has(arrived, "largest_pause_ns"))
		json_object_set(guest, "largest_pause_ns", json_object_get(arrived, "largest_pause_ns"));
	if (json_has(after, "peer_writes"))
		json_object_set(guest, "peer_writes", json_object_get(after, "peer_writes"));
	if (json_has(after, "first_error"))
		json_object_set(guest, "first_error", json_object_get(after, "first_error"));
	json_object_set_new(report, "guest", guest);
	json_decref(answer);
	return ret;
}

static void add_options(const struct demo_args *args, json_t *report)
{
	const struct migration_limits *limits = &args->limits;
	json_t *given =
		json_pack("{s:I, s:I, s:I, s:I, s:I, s:f, s:s, s:I}", "memory_bytes", (json_int_t)args->memory_bytes,
			  "vcpus", (json_int_t)args->vcpus, "devices", (json_int_t)args->devices, "state_bytes",
			  (json_int_t)args->state_bytes, "dirty_bytes_per_s", (json_int_t)args->dirty_rate,
			  "transition_latency_ms", (double)args->latency_ns / 1e6, "transport",
			  transports[args->transport], "seed", (json_int_t)args->seed);

	json_object_set_new(given, "fill", json_string(ref_vm_fill_names[args->fill]));
	json_object_set_new(given, "cpu", json_string(ref_vm_cpu_names[args->cpu]));
	json_object_set_new(given, "p2p", json_boolean(args->p2p));
	json_object_set_new(given, "verify", json_boolean(!args->unverified));
	json_object_set_new(given, "downtime_limit_ms", json_real((double)limits->downtime_ns / 1e6));
	json_object_set_new(given, "reconnect_ms", json_real((double)limits->reconnect_ns / 1e6));
	json_object_set_new(given, "no_converge", json_string(ref_vm_no_converge_names[limits->no_converge]));
	if (limits->arbiter)
		json_object_set_new(given, "arbiter", json_string(limits->arbiter));
	json_object_set_new(given, "channels", json_integer((json_int_t)limits->channels));
	if (limits->bandwidth)
		json_object_set_new(given, "bandwidth_bytes_per_s", json_integer((json_int_t)limits->bandwidth));
	json_object_set_new(report, "options", given);
}

static int play(struct demo *demo, json_t **report, struct gw_error *e)
{
	int ret;

	tell_options(demo);
	ret = check_memory(demo->args, e);
	if (!ret)
		ret = demo_processes_begin(&demo->processes, e);
	if (!ret)
		ret = demo_stage_set(demo, e);
	if (!ret)
		tell_cpu(demo);
	if (!ret)
		ret = demo_stage_warm_up(demo, e);
	if (!ret)
		tell_guest(demo, "source", demo->before);
	if (!ret)
		ret = migrate(demo, report, e);
	if (!ret)
		add_options(demo->args, *report);
	if (!ret && !strcmp(json_text(*report, "outcome"), "completed"))
		ret = add_findings(demo, *report, e);
	return ret;
}

/* Whatever happened, with --json there is one document, and an error is in it. */
static void show(const struct demo *demo, json_t *report, const struct gw_error *e)
{
	struct style style;

	if (demo->out && json_has(report, "ram")) {
		style = style_of(demo->out);
		fputc('\n', demo->out);
		report_view_show(demo->out, &style, report, NULL);
		tell_pause(demo, report);
	}
	if (demo->out)
		return;
	if (e->code && !json_has(report, "error"))
		json_object_set_new(report, "error", control_client_error_object(e));
	json_print(report);
}

/* The exit code, and why: the report's own error counts where nothing else went wrong. */
static int judge(const struct demo_args *args, const json_t *report, struct gw_error *e)
{
	int code = migration_exit_code(report, !args->unverified);

	if (json_has(report, "error"))
		control_client_error(json_object_get(report, "error"), e);
	if (code == EXIT_FAILED)
		gw_error_set(e, -EIO, "", "the two sides were not verified to be equal");
	return code;
}

static void clean_up(struct demo *demo, int code, int ret)
{
	if (code && ret != -EINTR)
		demo_processes_show_output(&demo->processes, stderr);
	demo_processes_end(&demo->processes);
	json_decref(demo->before);
	json_decref(demo->status);
}

static bool is_stderr(const char *path)
{
	return path && !strcmp(path, "-");
}

static int run(const void *data, const struct words *words)
{
	struct demo_args args = *(const struct demo_args *)data;
	struct demo demo = { .args = &args, .out = args.json ? NULL : stdout };
	struct gw_error e = GW_ERROR_NONE;
	json_t *report = NULL;
	int ret, code;

	if (migration_check(&args.limits, &e)) {
		say("demo: %s", e.what);
		return EXIT_WRONG_USAGE;
	}
	if (is_stderr(args.access.trace_path) || is_stderr(args.access.trace_json_path)) {
		say("demo: a trace is of the source's devices alone, by its process: give it a file");
		return EXIT_WRONG_USAGE;
	}
	if (args.p2p && args.cpu == REF_VM_CPU_KVM) {
		say("demo: --p2p needs --cpu thread: KVM's guest has no driver for it");
		return EXIT_WRONG_USAGE;
	}
	args.limits.verify = !args.unverified;
	demo.stop_fd = stop_signals_open(&e);
	ret = demo.stop_fd < 0 ? demo.stop_fd : play(&demo, &report, &e);
	demo_processes_stop(&demo.processes);
	if (!report)
		report = json_pack("{s:s, s:s, s:b}", "godwit", gw_version(), "outcome", "none", "verified", 0);
	code = ret ? EXIT_FAILED : judge(&args, report, &e);
	show(&demo, report, &e);
	if (code)
		say_error(&e);
	clean_up(&demo, code, ret);
	json_decref(report);
	return code;
}

const struct command cmd_demo = {
	.name = "demo",
	.summary = "migrate a guest with devices on this machine, and say how it went",
	.synopsis = "[OPTION...]",
	.description = "Starts what a user would start by hand, a VM that runs a guest, a VM that waits for it and the "
		       "devices of\n"
		       "both, each a process of its own; migrates the guest while it works, compares both sides, lets "
		       "the guest\n"
		       "check itself, reports, and cleans up. Exit code 0 only if it was completed and verified, or\n"
		       "completed with --no-verify.\n",
	.example = "  godwit demo --devices 4 --transition-latency 50ms --downtime-limit 1s\n",
	.options = options,
	.args_bytes = sizeof(struct demo_args),
	.run = run,
};
