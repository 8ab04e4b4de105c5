/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit device": serves the reference device on a socket, until a signal ends it. With a command in the socket's
 * place it is a client instead: it tells a running device something through its control socket (device_client.c).
 */
#include "command.h"
#include "device_client.h"
#include "ref/device/ref_device.h"
#include "say.h"
#include "stop_signals.h"
#include "units.h"

#include <errno.h>
#include <godwit/device.h>
#include <string.h>

struct device_args {
	uint64_t state_bytes, initial_bytes, latency_ns, read_rate, load_rate, serial, rearms, rearms_p2p;
	const char *control;
	struct text_list arc_latencies, faults;
	uint32_t no_p2p, no_precopy, no_dma_log, no_migration, no_extension, json;
};

#define FIELD(field) .offset = offsetof(struct device_args, field)

static const struct option options[] = {
	{ .name = "state-size",
	  .kind = OPTION_SIZE,
	  FIELD(state_bytes),
	  .value = "SIZE",
	  .standard = "64M",
	  .min = 64ull << 10,
	  .max = 1ull << 40,
	  .help = "local memory, all of it state to be moved" },
	{ .name = "initial-size",
	  .kind = OPTION_SIZE,
	  FIELD(initial_bytes),
	  .value = "SIZE",
	  .help = "of it that must be loaded before the switchover; 0: its choice" },
	{ .name = "transition-latency",
	  .kind = OPTION_DURATION,
	  FIELD(latency_ns),
	  .value = "TIME",
	  .standard = "0",
	  .max = 3600000000000,
	  .help = "what every change of the device state takes" },
	{ .name = "arc-latency",
	  .kind = OPTION_LIST,
	  FIELD(arc_latencies),
	  .value = "FROM:TO=TIME",
	  .help = "what one of them takes: RUNNING:RUNNING_P2P=20ms" },
	{ .name = "read-rate",
	  .kind = OPTION_RATE,
	  FIELD(read_rate),
	  .value = "RATE",
	  .help = "how fast its state can be read (default: no limit)" },
	{ .name = "load-rate",
	  .kind = OPTION_RATE,
	  FIELD(load_rate),
	  .value = "RATE",
	  .help = "how fast it takes state (default: no limit)" },
	{ .name = "serial",
	  .kind = OPTION_COUNT,
	  FIELD(serial),
	  .value = "N",
	  .standard = "1",
	  .help = "serial number, stamped on what it writes" },
	{ .name = "rearm",
	  .kind = OPTION_COUNT,
	  FIELD(rearms),
	  .value = "N",
	  .standard = "0",
	  .max = UINT32_MAX,
	  .help = "arm the initial bytes anew, N times, in pre-copy" },
	{ .name = "rearm-p2p",
	  .kind = OPTION_COUNT,
	  FIELD(rearms_p2p),
	  .value = "N",
	  .standard = "0",
	  .max = UINT32_MAX,
	  .help = "the same, on the way to PRE_COPY_P2P" },
	{ .name = "no-p2p", .kind = OPTION_FLAG, FIELD(no_p2p), .help = "without the P2P states" },
	{ .name = "no-precopy", .kind = OPTION_FLAG, FIELD(no_precopy), .help = "without the pre-copy states" },
	{ .name = "no-dma-log", .kind = OPTION_FLAG, FIELD(no_dma_log), .help = "without DMA logging" },
	{ .name = "no-migration", .kind = OPTION_FLAG, FIELD(no_migration), .help = "without migration at all" },
	{ .name = "no-extension",
	  .kind = OPTION_FLAG,
	  FIELD(no_extension),
	  .help = "plain vfio-user, nothing of godwit's" },
	{ .name = "fault",
	  .kind = OPTION_LIST,
	  FIELD(faults),
	  .value = "SPEC",
	  .help = "do this wrong: POINT[:ARG[:ARG]]=ACTION[:VALUE][,times=N]..., see godwit-device(1)" },
	{ .name = "control", .kind = OPTION_TEXT, FIELD(control), .value = "SOCKET", .help = "its control socket" },
	{ .name = "json", .kind = OPTION_FLAG, FIELD(json), .help = "as a client: print the answer as JSON" },
	{ .name = NULL },
};

static int find_state(const char *name, size_t length, uint32_t *state)
{
	for (*state = 0; *state < GW_NR_STATES; (*state)++) {
		const char *known = gw_device_state_name(*state);

		if (strlen(known) == length && !memcmp(known, name, length))
			return 0;
	}
	return -EINVAL;
}

/* "RUNNING:RUNNING_P2P=20ms" */
static int parse_arc(const char *text, struct ref_device_arc_latency *arc)
{
	const char *colon = strchr(text, ':'), *equals = colon ? strchr(colon, '=') : NULL;

	if (!equals || find_state(text, (size_t)(colon - text), &arc->from) ||
	    find_state(colon + 1, (size_t)(equals - colon - 1), &arc->to))
		return -EINVAL;
	return units_parse_duration(equals + 1, &arc->latency_ns);
}

static int fill_arcs(struct ref_device_options *device, const struct text_list *list)
{
	if (list->nr > REF_DEVICE_MAX_ARC_LATENCIES) {
		say("device: at most %d times --arc-latency", REF_DEVICE_MAX_ARC_LATENCIES);
		return -EINVAL;
	}
	for (device->nr_arc_latencies = 0; device->nr_arc_latencies < list->nr; device->nr_arc_latencies++) {
		const char *text = list->items[device->nr_arc_latencies];

		if (parse_arc(text, &device->arc_latencies[device->nr_arc_latencies])) {
			say("device: --arc-latency takes FROM:TO=TIME such as RUNNING:RUNNING_P2P=20ms, not \"%s\"",
			    text);
			return -EINVAL;
		}
	}
	return 0;
}

static int fill_faults(struct ref_device_options *device, const struct text_list *list)
{
	char error[GW_ERROR_WHAT_BYTES];

	_Static_assert(REF_DEVICE_MAX_FAULTS >= TEXT_LIST_MAX, "a device takes all the faults that an option can hold");
	for (device->nr_faults = 0; device->nr_faults < list->nr; device->nr_faults++) {
		const char *text = list->items[device->nr_faults];

		if (ref_device_check_fault(text, error, sizeof(error))) {
			say("device: --fault %s: %s", text, error);
			return -EINVAL;
		}
		device->faults[device->nr_faults] = text;
	}
	return 0;
}

static uint32_t without(const struct device_args *args)
{
	return (args->no_extension ? REF_DEVICE_NO_EXTENSION : 0) | (args->no_p2p ? REF_DEVICE_NO_P2P : 0) |
	       (args->no_precopy ? REF_DEVICE_NO_PRECOPY : 0) | (args->no_dma_log ? REF_DEVICE_NO_DMA_LOG : 0) |
	       (args->no_migration ? REF_DEVICE_NO_MIGRATION : 0);
}

static int serve(const struct device_args *args, const char *socket_path)
{
	struct gw_error e = GW_ERROR_NONE;
	struct ref_device_options device;
	char error[GW_ERROR_WHAT_BYTES];
	int stop_fd;

	ref_device_options_init(&device);
	device.state_bytes = args->state_bytes;
	if (args->initial_bytes)
		device.initial_bytes = args->initial_bytes;
	device.transition_latency_ns = args->latency_ns;
	device.read_bytes_per_s = args->read_rate;
	device.load_bytes_per_s = args->load_rate;
	device.serial = args->serial;
	device.rearms = (uint32_t)args->rearms;
	device.rearms_p2p = (uint32_t)args->rearms_p2p;
	device.without = without(args);
	device.control_path = args->control;
	if (fill_arcs(&device, &args->arc_latencies) || fill_faults(&device, &args->faults))
		return EXIT_WRONG_USAGE;

	stop_fd = stop_signals_open(&e);
	if (stop_fd < 0) {
		say_error(&e);
		return EXIT_FAILED;
	}
	if (ref_device_run(socket_path, &device, stop_fd, error, sizeof(error))) {
		say("device: %s", error);
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static int run(const void *data, const struct words *words)
{
	const struct device_args *args = data;

	if (device_client_is_meant(words))
		return device_client_run(args->control, words, args->json);
	return serve(args, words->items[0]);
}

const struct command cmd_device = {
	.name = "device",
	.summary = "serve the reference device, over vfio-user, or tell a running one something",
	.synopsis = "[OPTION...] SOCKET\n--control SOCKET fault FAULT...|clear|status [--json]",
	.description = "Serves one PCI device with local memory and a DMA engine to vfio-user clients on an AF_UNIX "
		       "socket, one\n"
		       "after the other, until a signal ends it. It can be migrated: all eight states, pre-copy, P2P, "
		       "DMA logging.\n"
		       "\n"
		       "With a command at the end it is a client of a device that runs:\n"
		       "  fault    from now on it does this wrong\n"
		       "  clear    no faults any more; what is stalled goes on\n"
		       "  status   the state it is in, its faults, and how often they struck\n",
	.example = "  godwit device --state-size 64M --transition-latency 50ms /run/dev0.sock\n"
		   "  godwit device --control /run/dev0.control --fault arc:RUNNING_P2P:STOP=EIO /run/dev0.sock\n"
		   "  godwit device --control /run/dev0.control status\n",
	.options = options,
	.word = "SOCKET",
	.max_words = WORDS_MAX,
	.args_bytes = sizeof(struct device_args),
	.run = run,
};
