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

/* cpu: what executes it, "" if that is not told. */
static void show_guest(const json_t *guest, const char *cpu)
{
	uint64_t errors = json_u64(guest, "errors");

	if (!guest)
		return;
	printf("guest      %s, %llu vCPUs%s%s, %s errors%s%s\n",
	       json_true_at(guest, "running") ? "running" : "not running", (unsigned long long)json_u64(guest, "vcpus"),
	       cpu[0] ? " on " : "", cpu, errors ? units_count(errors).s : "no", errors ? ": " : "",
	       json_text(guest, "first_error"));
	printf("           %s pages written, ", units_count(json_u64(guest, "pages_written")).s);
	printf("%s checked; ", units_count(json_u64(guest, "pages_checked")).s);
	printf("%s operations of devices, ", units_count(json_u64(guest, "operations")).s);
	printf("%s stamps\n", units_count(json_u64(guest, "stamps")).s);
	if (json_has(guest, "largest_pause_ns"))
		printf("           %s timer interrupts; the largest pause it saw here was %s\n",
		       units_count(json_u64(guest, "timer_interrupts")).s,
		       units_ms((double)json_u64(guest, "largest_pause_ns") / 1e6).s);
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
	show_guest(json_object_get(answer, "guest"), json_text(answer, "cpu"));
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
	show_guest(json_object_get(answer, "guest"), "");
}

static void show_decided(const json_t *answer)
{
	printf("done: this VM is now \"%s\"\n", json_text(answer, "state"));
}

static const struct vm_command {
	const char *name;
	void (*show)(const json_t *answer); /* NULL: "done" */
	const char *word;                   /* that follows it, for who left it out; NULL: none does */
	const char *asked, *key;            /* other than the name: as the socket calls it, and its word there */
} commands[] = {
	{ "status", show_status },
	{ "check", show_check },
	{ "cancel", NULL },
	{ "quit", NULL },
	{ "resume", show_decided },
	{ "discard", show_decided },
	{ "fault", NULL, "KIND (triple-fault, internal-error or vcpu)", "guest_fault", "kind" },
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

static json_t *as_json(const struct vm_command *command, const struct vm_request *request)
{
	json_t *object = json_pack("{s:s}", "command", command->asked ? command->asked : command->name);

	if (object && command->key)
		json_object_set_new(object, command->key, json_string(request->word));
	if (object && request->other_side_stopped)
		json_object_set_new(object, "other_side_stopped", json_true());
	if (object && request->force)
		json_object_set_new(object, "force", json_true());
	return object;
}

/* Has said what is wrong with the command line. */
static int is_wrong(const struct vm_command *command, const struct vm_request *request)
{
	if (!command)
		say("vm: there is no command \"%s\" (try \"godwit vm --help\")", request->command);
	else if (!request->control)
		say("vm: %s needs --control SOCKET, the VM to tell it to", command->name);
	else if (command->word && !request->word)
		say("vm: %s needs a %s", command->name, command->word);
	else if (!command->word && request->word)
		say("vm: %s takes no word after it: %s", command->name, request->word);
	else
		return 0;
	return 1;
}

/* What an answer holds that is a failure though the command did its work. */
static int say_failures(const json_t *answer)
{
	const json_t *failure = json_object_get(answer, "failure");
	uint64_t errors = json_u64(json_object_get(answer, "guest"), "errors");

	if (failure)
		say("the guest has failed: %s", json_text(failure, "what"));
	if (errors)
		say("the guest has found %s integrity errors", units_count(errors).s);
	return failure || errors ? EXIT_FAILED : EXIT_DONE;
}

int vm_client_run(const struct vm_request *request)
{
	const struct vm_command *command = find_command(request->command);
	struct gw_error e = GW_ERROR_NONE;
	json_t *answer = NULL;
	int code;

	if (is_wrong(command, request))
		return EXIT_WRONG_USAGE;
	if (control_client_ask_once(request->control, as_json(command, request), &answer, &e)) {
		say_error(&e);
		return e.code == -EPERM ? EXIT_WRONG_USAGE : EXIT_FAILED; /* it has to be meant */
	}
	show_answer(command, answer, request->json);
	if (!request->json && !strcmp(json_text(answer, "state"), "owner-unknown"))
		show_advice(request->control, answer);
	code = say_failures(answer);
	json_decref(answer);
	return code;
}
