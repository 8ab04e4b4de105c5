/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking a VM to migrate and following it to the end: see migration.h. */
#include "migration.h"

#include "command.h"
#include "control_client.h"
#include "json.h"
#include "say.h"
#include "stop_signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What one command on the control socket becomes: the events that follow it. */
struct follower {
	struct control_client client;
	const char *control;
	struct progress_view *view;
	int stop_fd;
	int cancels;
};

static void set_ms(json_t *object, const char *key, uint64_t ns)
{
	json_object_set_new(object, key, json_real((double)ns / 1e6));
}

static void set_known_count(json_t *object, const char *key, uint64_t count)
{
	if (count)
		json_object_set_new(object, key, json_integer((json_int_t)count));
}

static json_t *limits_object(const struct migration_limits *limits)
{
	json_t *object = json_pack("{s:I, s:b, s:b}", "channels", (json_int_t)limits->channels, "allow_no_p2p",
				   (int)limits->allow_no_p2p, "verify", (int)limits->verify);

	set_ms(object, "downtime_ms", limits->downtime_ns);
	set_ms(object, "reconnect_ms", limits->reconnect_ns);
	set_known_count(object, "bandwidth_bytes_per_s", limits->bandwidth);
	set_known_count(object, "max_rounds", limits->max_rounds);
	if (limits->max_time_ns)
		set_ms(object, "max_time_ms", limits->max_time_ns);
	json_object_set_new(object, "no_converge", json_string(ref_vm_no_converge_names[limits->no_converge]));
	if (limits->dry_run)
		json_object_set_new(object, "dry_run", json_string(limits->precopy ? "precopy" : "compare"));
	return object;
}

/* The VM may be in another directory than whoever asks it: "file:DIR" counts from here. */
static json_t *arbiter_text(const char *uri)
{
	static const char scheme[] = "file:";
	size_t length = sizeof(scheme) - 1;
	json_t *text;
	char *here;

	if (strncmp(uri, scheme, length) || !uri[length] || uri[length] == '/')
		return json_string(uri);
	here = getcwd(NULL, 0);
	text = here ? json_sprintf("%s%s/%s", scheme, here, uri + length) : json_string(uri);
	free(here);
	return text;
}

static json_t *migrate_command(const char *uri, const struct migration_limits *limits)
{
	json_t *command =
		json_pack("{s:s, s:s, s:o}", "command", "migrate", "uri", uri, "limits", limits_object(limits));

	if (limits->arbiter)
		json_object_set_new(command, "arbiter", arbiter_text(limits->arbiter));
	return command;
}

int migration_check(const struct migration_limits *limits, struct gw_error *e)
{
	if (limits->precopy && !limits->dry_run)
		return gw_error_set(e, -EINVAL, "", "--precopy goes with --dry-run: a migration always has a pre-copy");
	return 0;
}

/* The cancel goes over a connection of its own: the answers on this one are events. */
static int cancel(struct follower *f)
{
	struct gw_error e = GW_ERROR_NONE;

	if (!stop_signals_take(f->stop_fd))
		return 0;
	if (f->cancels++)
		return -EINTR;
	if (f->view)
		progress_note(f->view, "cancelling; once more ends only the waiting");
	if (control_client_ask_once(f->control, json_pack("{s:s}", "command", "cancel"), NULL, &e))
		say_error(&e);
	return 0;
}

static int follow(struct follower *f, json_t **report, struct gw_error *e)
{
	int ret = 0;

	while (!*report && !ret) {
		json_t *event = NULL;

		ret = control_client_receive(&f->client, -1, f->stop_fd, &event, e);
		if (ret == -EINTR)
			ret = cancel(f);
		else if (!ret && !strcmp(json_text(event, "event"), "progress") && f->view)
			progress_show(f->view, event);
		else if (!ret && !strcmp(json_text(event, "event"), "report"))
			*report = json_incref(json_object_get(event, "report"));
		json_decref(event);
	}
	return ret == -EINTR
		       ? gw_error_set(e, ret, "", "not waiting for the outcome; the VM goes on with the migration")
		       : ret;
}

int migration_run(const char *control, const char *uri, const struct migration_limits *limits, int stop_fd,
		  struct progress_view *view, json_t **report, struct gw_error *e)
{
	struct follower f = { .control = control, .view = view, .stop_fd = stop_fd };
	int ret = control_client_open(&f.client, control, e);

	*report = NULL;
	if (!ret)
		ret = control_client_ask(&f.client, migrate_command(uri, limits), NULL, e);
	if (!ret)
		ret = follow(&f, report, e);
	if (view)
		progress_end(view);
	control_client_close(&f.client);
	return ret;
}

bool migration_was_dry(const json_t *report)
{
	return json_is_string(json_object_get(json_object_get(report, "handover"), "dry_run"));
}

bool migration_is_possible(const json_t *report)
{
	return !strcmp(json_text(report, "outcome"), "rolled-back") && !json_has(report, "error") &&
	       !json_array_size(json_object_get(report, "blockers"));
}

int migration_exit_code(const json_t *report, int verify)
{
	static const struct {
		const char *outcome;
		int code;
	} codes[] = {
		{ "completed", EXIT_DONE },
		{ "rolled-back", EXIT_ROLLED_BACK },
		{ "owner-unknown", EXIT_UNKNOWN_OWNER },
	};
	const char *outcome = json_text(report, "outcome");

	if (json_true_at(report, "rollback_failed"))
		return EXIT_FAILED;
	if (migration_was_dry(report) && migration_is_possible(report))
		return EXIT_DONE;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(codes[i].outcome, outcome))
			return codes[i].code || !verify || json_true_at(report, "verified") ? codes[i].code
											    : EXIT_FAILED;
	return EXIT_FAILED;
}
