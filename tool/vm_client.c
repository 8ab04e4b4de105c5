/* SPDX-License-Identifier: BSD-3-Clause */
/* One command to a running VM: a row each. */
#include "vm_client.h"

#include "command.h"
#include "control_client.h"
#include "json.h"
#include "owner_advice.h"
#include "say.h"
#include "units.h"

#include <errno.h>
#include <string.h>

static void show_guest(const json_t *guest)
{
	uint64_t errors = json_u64(guest, "errors");

	if (!guest)
		return;
	printf("guest      %s, %llu vCPUs, %s errors%s%s\n", json_true_at(guest, "running") ? "running" : "not running",
	       (unsigned long long)json_u64(guest, "vcpus"), errors ? units_count(errors).s : "no", errors ? ": " : "",
	       json_text(guest, "first_error"));
	printf("           %s pages written, ", units_count(json_u64(guest, "pages_written")).s);
	printf("%s checked; ", units_count(json_u64(guest, "pages_checked")).s);
	printf("%s operations of devices, ", units_count(json_u64(guest, "operations")).s);
	printf("%s stamps\n", units_count(json_u64(guest, "stamps")).s);
}

/* "" if there is no arbiter, or it has not said it. */
static const char *claimed_by(const json_t *last)
{
	return json_text(json_object_get(last, "handover"), "claimed_by");
}

static void show_status(const json_t *answer)
{
	const json_t *device;
	size_t i;

	const json_t *last = json_object_get(answer, "last_migration");

	printf("state      %s\n", json_text(answer, "state"));
	if (last)
		printf("migration  %s, this VM was the %s%s%s\n", json_text(last, "outcome"), json_text(last, "side"),
		       claimed_by(last)[0] ? "; the arbiter named the " : "", claimed_by(last));
	if (json_has(answer, "incoming"))
		printf("incoming   %s\n", json_text(answer, "incoming"));
	show_guest(json_object_get(answer, "guest"));
	if (json_has(answer, "dirty_log"))
		printf("dirty log  %s\n", json_text(answer, "dirty_log"));
	json_array_foreach(json_object_get(answer, "devices"), i, device) printf(
		"%-10.10s %s %s\n", json_text(device, "id"), json_text(device, "backend"), json_text(device, "uri"));
}

/* What a person has to do next. */
static void show_advice(const char *control, const json_t *answer)
{
	const json_t *last = json_object_get(answer, "last_migration");

	owner_advice_show(stdout, json_text(last, "side"), control, json_object_get(last, "handover"));
}

static void show_check(const json_t *answer)
{
	show_guest(json_object_get(answer, "guest"));
}

static void show_decided(const json_t *answer)
{
	printf("done: this VM is now \"%s\"\n", json_text(answer, "state"));
}

static const struct vm_command {
	const char *name;
	void (*show)(const json_t *answer); /* NULL: "done" */
} commands[] = {
	{ "status", show_status }, { "check", show_check },    { "cancel", NULL },
	{ "quit", NULL },          { "resume", show_decided }, { "discard", show_decided },
};

static const struct vm_command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void show_answer(const struct vm_command *command, const json_t *answer, uint32_t as_json)
{
	if (as_json)
		json_print(answer);
	else if (command->show)
		command->show(answer);
	else
		printf("done\n");
}

static json_t *as_json(const struct vm_request *request)
{
	json_t *object = json_pack("{s:s}", "command", request->command);

	if (object && request->other_side_stopped)
		json_object_set_new(object, "other_side_stopped", json_true());
	if (object && request->force)
		json_object_set_new(object, "force", json_true());
	return object;
}

int vm_client_run(const struct vm_request *request)
{
	const struct vm_command *command = find_command(request->command);
	struct gw_error e = GW_ERROR_NONE;
	json_t *answer = NULL;
	uint64_t errors;

	if (!command) {
		say("vm: there is no command \"%s\" (try \"godwit vm --help\")", request->command);
		return EXIT_WRONG_USAGE;
	}
	if (!request->control) {
		say("vm: %s needs --control SOCKET, the VM to tell it to", command->name);
		return EXIT_WRONG_USAGE;
	}
	if (control_client_ask_once(request->control, as_json(request), &answer, &e)) {
		say_error(&e);
		return e.code == -EPERM ? EXIT_WRONG_USAGE : EXIT_FAILED; /* it has to be meant */
	}
	show_answer(command, answer, request->json);
	if (!request->json && !strcmp(json_text(answer, "state"), "owner-unknown"))
		show_advice(request->control, answer);
	errors = json_u64(json_object_get(answer, "guest"), "errors");
	if (errors)
		say("the guest has found %s integrity errors", units_count(errors).s);
	json_decref(answer);
	return errors ? EXIT_FAILED : EXIT_DONE;
}
