/* SPDX-License-Identifier: BSD-3-Clause */
/* "godwit migrate": asks a running VM to migrate, shows how it goes, says how it ended. Ctrl-C cancels. */
#include "command.h"
#include "control_client.h"
#include "json.h"
#include "migration.h"
#include "report_view.h"
#include "say.h"
#include "stop_signals.h"

#include <errno.h>

struct migrate_args {
	const char *control;
	struct migration_limits limits;
	uint32_t json;
};

static const struct option options[] = {
	{ .name = "control",
	  .kind = OPTION_TEXT,
	  .required = 1,
	  .offset = offsetof(struct migrate_args, control),
	  .value = "SOCKET",
	  .help = "the control socket of the VM that has the guest" },
	MIGRATION_OPTIONS(struct migrate_args, limits),
	{ .name = "verify",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct migrate_args, limits.verify),
	  .help = "compare RAM, VM state and device state between the sides" },
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct migrate_args, json),
	  .help = "print the report as one JSON document, and no progress" },
	{ .name = NULL },
};

static void show(const struct migrate_args *args, const json_t *report)
{
	struct style style = style_of(stdout);

	if (args->json)
		json_print(report);
	else
		report_view_show(stdout, &style, report, args->control);
}

/* The sentence goes to stderr too: whoever keeps only that must learn why it failed. */
static void say_why(const json_t *report, int code)
{
	const json_t *error = json_object_get(report, "error");
	struct gw_error e = GW_ERROR_NONE;

	if (error) {
		control_client_error(error, &e);
		say_error(&e);
	}
	if (code == EXIT_FAILED && !json_true_at(report, "rollback_failed"))
		say("migrate: completed, but the two sides were not verified to be equal");
}

static int run(const void *data, const struct words *words)
{
	const struct migrate_args *args = data;
	struct gw_error e = GW_ERROR_NONE;
	struct progress_view view;
	json_t *report = NULL;
	int stop_fd, ret;

	if (migration_check(&args->limits, &e)) {
		say("migrate: %s", e.what);
		return EXIT_WRONG_USAGE;
	}
	stop_fd = stop_signals_open(&e);
	progress_begin(&view, stdout);
	ret = stop_fd < 0 ? stop_fd
			  : migration_run(args->control, words->items[0], &args->limits, stop_fd,
					  args->json ? NULL : &view, &report, &e);
	if (ret) {
		say_error(&e);
		return EXIT_FAILED;
	}
	show(args, report);
	ret = migration_exit_code(report, (int)args->limits.verify);
	say_why(report, ret);
	json_decref(report);
	return ret;
}

const struct command cmd_migrate = {
	.name = "migrate",
	.summary = "ask a running VM to migrate, and watch it",
	.synopsis = "--control SOCKET [OPTION...] URI",
	.description =
		"Migrates the VM behind the control socket to the VM that waits at URI: tcp:HOST:PORT or unix:PATH.\n"
		"Ctrl-C cancels, and the guest goes on at the source. With --dry-run nothing moves: exit code 0 if it "
		"can.\n",
	.example = "  godwit migrate --control /run/source.sock --dry-run --precopy tcp:192.0.2.7:4444\n"
		   "  godwit migrate --control /run/source.sock --downtime-limit 100ms --arbiter file:/shared/godwit "
		   "tcp:192.0.2.7:4444\n",
	.options = options,
	.word = "URI",
	.max_words = 1,
	.args_bytes = sizeof(struct migrate_args),
	.run = run,
};
