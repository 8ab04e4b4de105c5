/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the control socket: a table. */
#include "ref/vm_control/vm_command.h"

#include "ref/vm_control/json_value.h"
#include "ref/vm_control/limits_json.h"
#include "ref/vm_control/status_json.h"

#include <errno.h>
#include <string.h>

static int run_status(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	status_json(answer, vm->machine, vm->migration);
	return 0;
}

static int run_migrate(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	const char *uri = json_string_value(json_object_get(request, "uri"));
	const json_t *arbiter = json_object_get(request, "arbiter");
	struct gw_limits limits;
	int ret;

	if (!uri)
		return gw_error_set(e, -EINVAL, "migrate", "needs the destination's \"uri\"");
	if (arbiter && !json_is_string(arbiter))
		return gw_error_set(e, -EINVAL, "arbiter", "must be a URI: file:DIR");
	ret = limits_json(json_object_get(request, "limits"), &limits, e);
	return ret ? ret : vm_migration_start(vm->migration, uri, &limits, json_string_value(arbiter), e);
}

static int run_watch(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	return 0;
}

static int run_cancel(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	return vm_migration_cancel(vm->migration, e);
}

/*
 * During a migration the pause would be part of its downtime; before a guest has come there is none; and one that is
 * undecided the library may let run at any moment, which nobody else's pause may come between.
 */
static int run_check(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	static const char *const refusals[] = {
		[VM_MIGRATING] = "a migration is on: check before or after it",
		[VM_RECEIVING] = "a guest is coming: check when it runs",
		[VM_INCOMING] = "there is no guest here yet",
		[VM_OWNER_UNKNOWN] = "it is not decided yet who has the guest: check when it runs",
		[VM_FAILED] = "there is no guest here",
	};
	enum vm_state state = vm_migration_state(vm->migration);

	if (state < sizeof(refusals) / sizeof(refusals[0]) && refusals[state])
		return gw_error_set(e, -EBUSY, "check", "%s", refusals[state]);
	vm->machine->executor->check(vm->machine->guest);
	json_object_set_new(answer, "guest", status_json_guest(vm->machine));
	status_json_failure(answer, vm->machine);
	return 0;
}

/* Whoever decides has to know what it costs if it is wrong. An arbiter that answers decides without anyone. */
static int check_meant(const struct vm_context *vm, const json_t *request, const char *cost, struct gw_error *e)
{
	int ret = vm_migration_check_undecided(vm->migration, e);

	if (ret || json_is_true(json_object_get(request, "other_side_stopped")))
		return ret;
	if (vm->migration->report.handover.arbiter)
		return gw_error_set(e, -EPERM, "arbiter",
				    "it has not said yet who has the guest, and is asked every few seconds: once it "
				    "answers, nothing is left to decide. Without it: %s (--other-side-stopped)",
				    cost);
	return gw_error_set(e, -EPERM, "", "%s (--other-side-stopped)", cost);
}

/* Where the guest is now; the state says it. */
static int decided(const struct vm_context *vm, json_t *answer, int ret)
{
	if (!ret)
		status_json_state(answer, vm->migration);
	return ret;
}

static int run_resume(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	static const char cost[] = "this runs the guest here; if the other side runs it too, there are two of it that "
				   "both write to its disks "
				   "and answer on its network. Stop it for good there, then say so";
	int ret = check_meant(vm, request, cost, e);

	return ret ? ret : decided(vm, answer, vm_migration_take(vm->migration, e));
}

static int run_discard(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	static const char cost[] =
		"this gives the guest up here; if the other side does not run it, it is lost. Make sure "
		"of that, then say so";
	int ret = check_meant(vm, request, cost, e);

	return ret ? ret : decided(vm, answer, vm_migration_give_up(vm->migration, e));
}

/* For tests of what comes of it. */
static int run_guest_fault(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	const struct machine *machine = vm->machine;
	const char *kind = json_string_value(json_object_get(request, "kind"));
	enum vm_state state = vm_migration_state(vm->migration);

	if (!kind)
		return gw_error_set(e, -EINVAL, "guest_fault", "needs a \"kind\"");
	if (state != VM_RUNNING && state != VM_MIGRATING)
		return gw_error_set(e, -ENOENT, "guest_fault", "no guest runs here: this VM is \"%s\"",
				    vm_state_name(state));
	if (!machine->executor->fault)
		return gw_error_set(e, -EOPNOTSUPP, "guest_fault", "threads do not fail on demand: that is KVM's");
	return machine->executor->fault(machine->guest, kind, e);
}

static int run_quit(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e)
{
	enum vm_state state = vm_migration_state(vm->migration);

	if ((state != VM_MIGRATING && state != VM_RECEIVING) || json_is_true(json_object_get(request, "force")))
		return 0;
	return gw_error_set(e, -EBUSY, "quit", "a migration is on; \"force\": true cancels it");
}

static const struct command {
	const char *name;
	int (*run)(const struct vm_context *vm, const json_t *request, json_t *answer, struct gw_error *e);
	enum vm_command_effect effect; /* if it went well */
} commands[] = {
	{ "status", run_status, VM_EFFECT_NONE },   { "migrate", run_migrate, VM_EFFECT_WATCH },
	{ "watch", run_watch, VM_EFFECT_WATCH },    { "cancel", run_cancel, VM_EFFECT_NONE },
	{ "check", run_check, VM_EFFECT_NONE },     { "resume", run_resume, VM_EFFECT_NONE },
	{ "discard", run_discard, VM_EFFECT_NONE }, { "guest_fault", run_guest_fault, VM_EFFECT_NONE },
	{ "quit", run_quit, VM_EFFECT_QUIT },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

json_t *vm_command_refusal(const struct gw_error *error)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "ok", json_false());
	json_object_set_new(answer, "error", json_value_error(error));
	return answer;
}

static int run(const struct vm_context *vm, const json_t *request, json_t *answer, enum vm_command_effect *effect,
	       struct gw_error *e)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	const struct command *command = find_command(name);
	int ret;

	if (!command)
		return gw_error_set(e, -EINVAL, "", "there is no command \"%s\"", name ? name : "");
	ret = command->run(vm, request, answer, e);
	if (!ret)
		*effect = command->effect;
	else if (!e->code) /* a call that fails without a word, still a refusal with a code */
		gw_error_set(e, ret, name, "%s", strerror(-ret));
	return ret;
}

json_t *vm_command_run(const struct vm_context *vm, const char *line, enum vm_command_effect *effect)
{
	struct gw_error e = GW_ERROR_NONE;
	json_error_t json_error;
	json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, &json_error);
	json_t *answer = json_pack("{s:b}", "ok", 1);

	*effect = VM_EFFECT_NONE;
	if (!json_is_object(request))
		gw_error_set(&e, -EBADMSG, "", "not a JSON object: %s", request ? "another value" : json_error.text);
	else
		run(vm, request, answer, effect, &e);
	json_decref(request);
	if (!e.code)
		return answer;
	json_decref(answer);
	return vm_command_refusal(&e);
}
