/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The tool: a table of subcommands. Finds the row, parses its options, runs it; what a command does is in its
 * cmd_*.c. Exit codes: command.h.
 */
#include "command.h"
#include "say.h"

#include <godwit/godwit.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
	&cmd_demo, &cmd_migrate, &cmd_vm,    &cmd_device,   &cmd_probe,  &cmd_check,   &cmd_save,
	&cmd_load, &cmd_inspect, &cmd_bench, &cmd_estimate, &cmd_report, &cmd_compare, &cmd_trace,
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const char exit_codes_help[] = "Exit codes:\n"
				      "  0  done\n"
				      "  1  failed; one sentence on stderr says why\n"
				      "  2  wrong usage\n"
				      "  3  the migration was refused or rolled back: the guest runs at the source\n"
				      "  4  owner unknown: the source is paused until the arbiter or someone decides "
				      "(godwit vm ... resume, discard)\n"
				      "  5  the answer is no: a rule broken, two hosts that do not match, a limit "
				      "exceeded, a benchmark that got worse\n";

static const char units_help[] = "Sizes are IEC: 64M and 64MiB are 64 * 1048576 bytes. Rates are sizes a second,\n"
				 "or bits of a link: 25Gbit is 25 * 10^9 bits a second.\n"
				 "Durations need a unit: 50us, 300ms, 2s.\n";

static int help(void)
{
	printf("godwit live-migrates VFIO devices and the VM that owns them.\n\nusage: godwit COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < NR_COMMANDS; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n\"godwit COMMAND --help\" says more; \"godwit --version\" tells the version.\n\n%s", exit_codes_help);
	return EXIT_DONE;
}

static int command_help(const struct command *command)
{
	const char *line = command->synopsis, *end;

	for (; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		printf("%s godwit %s %.*s\n", line == command->synopsis ? "usage:" : "      ", command->name,
		       (int)(end - line), line);
	}
	printf("\n%s\n", command->description);
	options_help(command->options, stdout);
	printf("\nExample:\n%s\n%s", command->example, units_help);
	return EXIT_DONE;
}

static int wrong_usage(const struct command *command, const char *what, const char *why)
{
	say("%s: %s%s (try \"godwit %s --help\")", command->name, what, why, command->name);
	return EXIT_WRONG_USAGE;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct gw_error e = GW_ERROR_NONE;
	struct words words = { .nr = 0 };
	void *args = calloc(1, command->args_bytes);
	int ret;

	if (!args) {
		say("out of memory");
		return EXIT_FAILED;
	}
	ret = options_parse(command->options, argc, argv, args, &words, &e);
	if (ret == OPTIONS_HELP)
		ret = command_help(command);
	else if (ret < 0)
		ret = wrong_usage(command, e.what, "");
	else if (command->word && !words.nr)
		ret = wrong_usage(command, command->word, " is missing");
	else if (words.nr > command->max_words)
		ret = wrong_usage(command, "there is a word too many: ", words.items[command->max_words]);
	else
		ret = command->run(args, &words);
	free(args);
	return ret;
}

/* Output that could not be written is a failure too: a report cut short must not look like success. */
static int flushed(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	say("cannot write the output: %m");
	return code ? code : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help"))
		return flushed(help());
	if (!strcmp(name, "--version")) {
		printf("godwit %s\n", gw_version());
		return flushed(EXIT_DONE);
	}
	for (size_t i = 0; i < NR_COMMANDS; i++)
		if (!strcmp(name, commands[i]->name))
			return flushed(run(commands[i], argc - 2, argv + 2));
	if (name[0])
		say("there is no command \"%s\" (try \"godwit --help\")", name);
	else
		say("a command is missing (try \"godwit --help\")");
	return EXIT_WRONG_USAGE;
}
