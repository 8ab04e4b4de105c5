/* SPDX-License-Identifier: BSD-3-Clause */
/* Asking a VM to migrate and following it to the end: see migration.h. */
#include "migration.h"

#include "command.h"
#include "control_client.h"
#include "json.h"
#include "say.h"
#include "stop_signals.h"

#include <errno.h>
#include <string.h>

/* What one command on the control socket becomes: the events that follow it. */
struct follower {
	struct control_client client;
	const char *control;
	struct progress_view *view;
	int stop_fd;
	int cancels;
};

static json_t *migrate_command(const char *uri, const struct migration_limits *limits)
{
	json_t *given = json_pack("{s:f, s:I, s:b, s:b}", "downtime_ms", (double)limits->downtime_ns / 1e6, "channels",
				  (json_int_t)limits->channels, "allow_no_p2p", (int)limits->allow_no_p2p, "verify",
				  (int)limits->verify);

	if (given && limits->bandwidth)
		json_object_set_new(given, "bandwidth_bytes_per_s", json_integer((json_int_t)limits->bandwidth));
	if (given && limits->max_rounds)
		json_object_set_new(given, "max_rounds", json_integer((json_int_t)limits->max_rounds));
	return json_pack("{s:s, s:s, s:o}", "command", "migrate", "uri", uri, "limits", given);
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
	return ret == -EINTR ? fail(e, ret, "", "not waiting for the outcome; the VM goes on with the migration") : ret;
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

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (!strcmp(codes[i].outcome, outcome))
			return codes[i].code || !verify || json_true_at(report, "verified") ? codes[i].code
											    : EXIT_FAILED;
	return EXIT_FAILED;
}
