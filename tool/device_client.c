/* SPDX-License-Identifier: BSD-3-Clause */
/* One command to a running reference device: a row each. */
#include "device_client.h"

#include "command.h"
#include "control_client.h"
#include "json.h"
#include "say.h"
#include "units.h"

#include <string.h>

static void show_status(const json_t *answer)
{
	const json_t *faults = json_object_get(answer, "faults"), *fault;
	size_t i;

	printf("state      %s\n", json_text(answer, "state"));
	if (!json_array_size(faults))
		printf("faults     none\n");
	json_array_foreach(faults, i, fault)
	{
		printf("%-10s %s: ", i ? "" : "faults", json_text(fault, "fault"));
		printf("struck %s of ", units_count(json_u64(fault, "struck")).s);
		printf("%s times\n", units_count(json_u64(fault, "matched")).s);
	}
}

static const struct device_command {
	const char *name;
	bool takes_faults;                  /* the words after it, each a request */
	void (*show)(const json_t *answer); /* NULL: "done" */
} commands[] = {
	{ "fault", true, NULL },
	{ "clear", false, NULL },
	{ "status", false, show_status },
};

static const struct device_command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

bool device_client_is_meant(const struct words *words)
{
	return words->nr > 1 || find_command(words->items[0]);
}

static json_t *request_of(const struct device_command *command, const char *fault)
{
	return fault ? json_pack("{s:s, s:s}", "command", command->name, "fault", fault)
		     : json_pack("{s:s}", "command", command->name);
}

static int ask(const char *control, const struct device_command *command, const char *fault, json_t **answer)
{
	struct gw_error e = GW_ERROR_NONE;

	if (!control_client_ask_once(control, request_of(command, fault), answer, &e))
		return EXIT_DONE;
	say_error(&e);
	return EXIT_FAILED;
}

/* All of them, and the last answer: they are all the same. */
static int ask_all(const char *control, const struct device_command *command, const struct words *words,
		   json_t **answer)
{
	int ret = EXIT_DONE;

	if (!command->takes_faults)
		return ask(control, command, NULL, answer);
	for (unsigned i = 1; i < words->nr && ret == EXIT_DONE; i++) {
		json_decref(*answer);
		*answer = NULL;
		ret = ask(control, command, words->items[i], answer);
	}
	return ret;
}

static int check_words(const char *control, const struct device_command *command, const struct words *words)
{
	if (!command)
		say("device: there is no command \"%s\" (try \"godwit device --help\")", words->items[0]);
	else if (!control)
		say("device: %s needs --control SOCKET, the device to tell it to (or is it a socket: ./%s?)",
		    command->name, command->name);
	else if (command->takes_faults && words->nr < 2)
		say("device: %s needs a FAULT: arc:RUNNING_P2P:STOP=EIO", command->name);
	else if (!command->takes_faults && words->nr > 1)
		say("device: %s takes nothing after it", command->name);
	else
		return EXIT_DONE;
	return EXIT_WRONG_USAGE;
}

int device_client_run(const char *control, const struct words *words, uint32_t as_json)
{
	const struct device_command *command = find_command(words->items[0]);
	int ret = check_words(control, command, words);
	json_t *answer = NULL;

	if (ret)
		return ret;
	ret = ask_all(control, command, words, &answer);
	if (ret == EXIT_DONE && as_json)
		json_print(answer);
	else if (ret == EXIT_DONE && command->show)
		command->show(answer);
	else if (ret == EXIT_DONE)
		printf("done\n");
	json_decref(answer);
	return ret;
}
