/* SPDX-License-Identifier: BSD-3-Clause */
/* The commands of the device's control socket: a table. */
#include "ref/device/control_command.h"

#include "ref/device/device.h"
#include "ref/device/fault_spec.h"

#include <errno.h>
#include <string.h>

#define WHAT_BYTES 512

/* 0 with what belongs into the answer, or -errno with a sentence in `what`. */
typedef int run_fn(struct ref_device *dev, const json_t *request, json_t *answer, char what[WHAT_BYTES]);

static int run_fault(struct ref_device *dev, const json_t *request, json_t *answer, char what[WHAT_BYTES])
{
	const char *spec = json_string_value(json_object_get(request, "fault"));

	if (spec)
		return ref_faults_add(&dev->faults, spec, what, WHAT_BYTES);
	strcpy(what, "needs the \"fault\"");
	return -EINVAL;
}

static int run_clear(struct ref_device *dev, const json_t *request, json_t *answer, char what[WHAT_BYTES])
{
	ref_faults_clear(&dev->faults);
	return 0;
}

static int run_status(struct ref_device *dev, const json_t *request, json_t *answer, char what[WHAT_BYTES])
{
	json_t *list = json_array();
	struct fault fault;

	for (unsigned i = 0; ref_faults_get(&dev->faults, i, &fault); i++)
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "fault", fault.text, "matched",
						      (json_int_t)fault.matched, "struck", (json_int_t)fault.struck));
	json_object_set_new(answer, "state", json_string(ref_fault_state_name(ref_migration_state(dev))));
	json_object_set_new(answer, "faults", list);
	return 0;
}

static const struct command {
	const char *name;
	run_fn *run;
} commands[] = {
	{ "fault", run_fault },
	{ "clear", run_clear },
	{ "status", run_status },
};

json_t *ref_control_refusal(int code, const char *where, const char *what)
{
	const char *name = strerrorname_np(-code);

	return json_pack("{s:b, s:{s:s, s:s, s:s}}", "ok", 0, "error", "code", name ? name : "EIO", "where", where,
			 "what", what);
}

static json_t *run(struct ref_device *dev, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "command"));
	char what[WHAT_BYTES] = "there is no such command";
	json_t *answer;
	int ret;

	for (size_t i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name))
			continue;
		answer = json_pack("{s:b}", "ok", 1);
		ret = commands[i].run(dev, request, answer, what);
		if (!ret)
			return answer;
		json_decref(answer);
		return ref_control_refusal(ret, name, what);
	}
	return ref_control_refusal(-EINVAL, name ? name : "", what);
}

json_t *ref_control_command(struct ref_device *dev, const char *line)
{
	json_error_t why;
	json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, &why), *answer;

	if (json_is_object(request))
		answer = run(dev, request);
	else
		answer = ref_control_refusal(-EBADMSG, "", request ? "not a JSON object" : why.text);
	json_decref(request);
	return answer;
}
