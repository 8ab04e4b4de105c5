/* SPDX-License-Identifier: BSD-3-Clause */
/* One command to a running VM: a row each, with what it costs where it cannot be taken back. */
#include "vm_client.h"

#include "command.h"
#include "control_client.h"
#include "json.h"
#include "say.h"
#include "units.h"

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

static void show_status(const json_t *answer)
{
	const json_t *device;
	size_t i;

	printf("state      %s\n", json_text(answer, "state"));
	if (json_has(answer, "incoming"))
		printf("incoming   %s\n", json_text(answer, "incoming"));
	show_guest(json_object_get(answer, "guest"));
	if (json_has(answer, "dirty_log"))
		printf("dirty log  %s\n", json_text(answer, "dirty_log"));
	json_array_foreach(json_object_get(answer, "devices"), i, device) printf(
		"%-10.10s %s %s\n", json_text(device, "id"), json_text(device, "backend"), json_text(device, "uri"));
}

static void show_check(const json_t *answer)
{
	show_guest(json_object_get(answer, "guest"));
}

static const struct vm_command {
	const char *name;
	void (*show)(const json_t *answer); /* NULL: "done" */
	const char *danger;                 /* NULL, or why --other-side-stopped has to be said */
} commands[] = {
	{ "status", show_status, NULL },
	{ "check", show_check, NULL },
	{ "cancel", NULL, NULL },
	{ "quit", NULL, NULL },
	{ "resume", NULL,
	  "this runs the guest here; if the other side runs it too, there are two of it that both write to its disks "
	  "and answer on its network" },
	{ "discard", NULL, "this gives the guest up here; if the other side does not run it, it is lost" },
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
	if (command->danger && !request->other_side_stopped) {
		say("%s: %s. Stop it for good there, then say so with --other-side-stopped", command->name,
		    command->danger);
		return EXIT_WRONG_USAGE;
	}
	if (control_client_ask_once(request->control, as_json(request), &answer, &e)) {
		say_error(&e);
		return EXIT_FAILED;
	}
	show_answer(command, answer, request->json);
	errors = json_u64(json_object_get(answer, "guest"), "errors");
	if (errors)
		say("the guest has found %s integrity errors", units_count(errors).s);
	json_decref(answer);
	return errors ? EXIT_FAILED : EXIT_DONE;
}
