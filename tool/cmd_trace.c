/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * "godwit trace": what is said to a device. Either another command of godwit runs on it, with its --trace; or, with
 * --listen, godwit stands between the device's server and any client, which is how a VMM is looked at.
 */
#include "command.h"
#include "say.h"
#include "stop_signals.h"
#include "tool/trace/trace_file.h"
#include "tool/trace/trace_proxy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VFIO_USER "vfio-user:"

struct trace_args {
	const char *listen, *output;
	uint32_t json;
};

static const struct option options[] = {
	{ .name = "listen",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct trace_args, listen),
	  .value = "PATH",
	  .help = "stand between clients that connect there and the server of DEVICE" },
	{ .name = "output",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct trace_args, output),
	  .value = "FILE",
	  .help = "write the trace there; else to stderr, with --listen to stdout" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct trace_args, json),
	  .help = "a JSON document a line" },
	{ .name = NULL },
};

static int wrong_usage(const char *what)
{
	say("trace: %s (try \"godwit trace --help\")", what);
	return EXIT_WRONG_USAGE;
}

/* The option comes first, so that a "--" among the command's own words does not hide it. */
static int run_command(const struct trace_args *args, const struct words *words)
{
	const char *argv[WORDS_MAX + 4] = { "godwit", words->items[1], args->json ? "--trace-json" : "--trace",
					    args->output ? args->output : "-", words->items[0] };

	for (unsigned int i = 2; i < words->nr; i++)
		argv[i + 3] = words->items[i];
	fflush(NULL);
	execv("/proc/self/exe", (char *const *)argv);
	say("cannot run godwit once more: %s", strerror(errno));
	return EXIT_FAILED;
}

static int proxy(const struct trace_args *args, const char *server_path, struct gw_error *e)
{
	enum trace_format format = args->json ? TRACE_JSON : TRACE_TEXT;
	struct trace_file *file = trace_file_new();
	int ended, ret = 0;

	if (!file)
		return gw_error_set(e, -ENOMEM, "", "out of memory");
	if (args->output)
		ret = trace_file_add(file, format, args->output, e);
	else
		trace_file_add_fd(file, format, STDOUT_FILENO, "stdout");
	if (!ret)
		ret = stop_signals_open(e);
	if (ret >= 0)
		ret = trace_proxy_run(server_path, args->listen, file, ret, e);
	ended = trace_file_close(file, e);
	return ret < 0 ? ret : ended;
}

static int run(const void *data, const struct words *words)
{
	const struct trace_args *args = data;
	const char *device = words->items[0];
	struct gw_error e = GW_ERROR_NONE;

	if (args->listen && words->nr > 1)
		return wrong_usage("--listen traces the clients that come, not a command");
	if (args->listen && strncmp(device, VFIO_USER, strlen(VFIO_USER)) != 0)
		return wrong_usage("--listen is for a vfio-user: device");
	if (!args->listen && words->nr < 2)
		return wrong_usage("a command is missing, or --listen");
	if (!args->listen)
		return run_command(args, words);
	if (!proxy(args, device + strlen(VFIO_USER), &e))
		return EXIT_DONE;
	say_error(&e);
	return EXIT_FAILED;
}

const struct command cmd_trace = {
	.name = "trace",
	.summary = "show what is said to a device",
	.synopsis = "[--output FILE] [--json] DEVICE -- COMMAND [ARGUMENT...]\n"
		    "[--output FILE] [--json] vfio-user:PATH --listen PATH",
	.description =
		"Runs a command of godwit on a device and shows each ioctl, read, write or vfio-user message, its\n"
		"arguments decoded, its result and its time: \"trace DEVICE -- save FILE\" is \"save --trace - DEVICE "
		"FILE\".\n"
		"\n"
		"With --listen it stands between a vfio-user server and whoever connects to PATH, a VMM say, passes\n"
		"everything on and shows what both sides say; one client after the other, until a signal.\n",
	.example = "  godwit trace vfio-user:/run/dev0.sock -- probe\n"
		   "  godwit trace vfio-user:/run/dev0.sock --listen /run/traced.sock\n",
	.options = options,
	.word = "DEVICE",
	.max_words = WORDS_MAX,
	.args_bytes = sizeof(struct trace_args),
	.run = run,
};
