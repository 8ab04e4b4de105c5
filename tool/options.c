/* SPDX-License-Identifier: BSD-3-Clause */
/* Long options from a table: see options.h. */
#include "options.h"

#include "say.h"
#include "units.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Kinds that are numbers: how one is read, what an example looks like, how a limit is shown. */
static const struct number_kind {
	int (*parse)(const char *text, uint64_t *value);
	struct units_text (*show)(uint64_t value);
	const char *looks_like;
} number_kinds[OPTION_NR_KINDS] = {
	[OPTION_COUNT] = { units_parse_count, units_count, "a whole number" },
	[OPTION_SIZE] = { units_parse_size, units_size, "a size such as 64M or 1G" },
	[OPTION_RATE] = { units_parse_rate, units_rate, "a rate such as 200M (a second)" },
	[OPTION_DURATION] = { units_parse_duration, units_duration, "a duration such as 300ms or 2s" },
};

static int store_number(const struct option *option, const char *text, uint64_t *into, struct gw_error *e)
{
	const struct number_kind *kind = &number_kinds[option->kind];
	uint64_t value = 0;
	int ret = kind->parse(text, &value);

	if (ret == -EINVAL)
		return gw_error_set(e, -EINVAL, "", "--%s takes %s, not \"%s\"", option->name, kind->looks_like, text);
	if (ret || (option->max && value > option->max))
		return gw_error_set(e, -EINVAL, "", "--%s %s is too large: at most %s", option->name, text,
				    kind->show(option->max ? option->max : UINT64_MAX).s);
	if (value < option->min)
		return gw_error_set(e, -EINVAL, "", "--%s %s is too small: at least %s", option->name, text,
				    kind->show(option->min).s);
	*into = value;
	return 0;
}

static int store_choice(const struct option *option, const char *text, uint32_t *into, struct gw_error *e)
{
	char known[128] = "";
	uint32_t i;

	for (i = 0; option->choices[i]; i++) {
		if (!strcmp(option->choices[i], text)) {
			*into = i;
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i ? ", " : "",
			 option->choices[i]);
	}
	return gw_error_set(e, -EINVAL, "", "--%s is one of %s, not \"%s\"", option->name, known, text);
}

static int store_item(const struct option *option, const char *text, struct text_list *list, struct gw_error *e)
{
	if (list->nr == TEXT_LIST_MAX)
		return gw_error_set(e, -EINVAL, "", "--%s is given more than %d times", option->name, TEXT_LIST_MAX);
	list->items[list->nr++] = text;
	return 0;
}

static int store(const struct option *option, const char *text, void *args, struct gw_error *e)
{
	void *into = (char *)args + option->offset;

	switch (option->kind) {
	case OPTION_FLAG:
		*(uint32_t *)into = 1;
		return 0;
	case OPTION_TEXT:
		*(const char **)into = text;
		return 0;
	case OPTION_LIST:
		return store_item(option, text, into, e);
	case OPTION_CHOICE:
		return store_choice(option, text, into, e);
	default:
		return store_number(option, text, into, e);
	}
}

static const struct option *find_option(const struct option *options, const char *name, size_t length)
{
	for (; options->name; options++)
		if (strlen(options->name) == length && !memcmp(options->name, name, length))
			return options;
	return NULL;
}

/* Where a command line is being read; given has a bit for each option seen, by its row. */
struct parser {
	const struct option *options;
	char **argv;
	int at;
	void *args;
	uint64_t given;
};

/* One option, and its value from the next word if need be. */
static int take_option(struct parser *p, struct gw_error *e)
{
	const char *name = p->argv[p->at] + 2, *value = strchr(name, '=');
	size_t length = value ? (size_t)(value - name) : strlen(name);
	const struct option *option = find_option(p->options, name, length);

	if (!option)
		return gw_error_set(e, -EINVAL, "", "there is no option --%.*s here", (int)length, name);
	p->given |= 1ull << (option - p->options);
	if (option->kind == OPTION_FLAG && value)
		return gw_error_set(e, -EINVAL, "", "--%s takes no value", option->name);
	if (option->kind == OPTION_FLAG)
		return store(option, NULL, p->args, e);
	if (value)
		return store(option, value + 1, p->args, e);
	if (!p->argv[p->at + 1])
		return gw_error_set(e, -EINVAL, "", "--%s needs a value (%s)", option->name, option->value);
	return store(option, p->argv[++p->at], p->args, e);
}

static int store_defaults(const struct option *options, void *args, struct gw_error *e)
{
	int ret = 0;

	for (; options->name && !ret; options++)
		if (options->standard)
			ret = store(options, options->standard, args, e);
	return ret;
}

static int check_required(const struct parser *p, struct gw_error *e)
{
	for (const struct option *option = p->options; option->name; option++)
		if (option->required && !(p->given & 1ull << (option - p->options)))
			return gw_error_set(e, -EINVAL, "", "--%s %s is missing", option->name, option->value);
	return 0;
}

static bool asks_for_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int options_parse(const struct option *options, int argc, char **argv, void *args, struct words *words,
		  struct gw_error *e)
{
	struct parser p = { .options = options, .argv = argv, .args = args };
	int ret = store_defaults(options, args, e);
	bool ended = false;

	for (; p.at < argc && !ret; p.at++) {
		const char *word = argv[p.at];

		if (!ended && asks_for_help(word))
			return OPTIONS_HELP;
		if (!ended && !strcmp(word, "--"))
			ended = true;
		else if (!ended && !strncmp(word, "--", 2))
			ret = take_option(&p, e);
		else if (!ended && word[0] == '-' && word[1])
			ret = gw_error_set(e, -EINVAL, "", "there is no option %s here", word);
		else if (words->nr == WORDS_MAX)
			ret = gw_error_set(e, -EINVAL, "", "that is more than %d words", WORDS_MAX);
		else
			words->items[words->nr++] = word;
	}
	return ret ? ret : check_required(&p, e);
}

static void help_choices(const struct option *option, FILE *out)
{
	for (const char *const *choice = option->choices; choice && *choice; choice++)
		fprintf(out, "%s%s", choice == option->choices ? ": " : ", ", *choice);
}

void options_help(const struct option *options, FILE *out)
{
	char left[64];

	for (; options->name; options++) {
		snprintf(left, sizeof(left), "--%s %s", options->name, options->value ? options->value : "");
		fprintf(out, "  %-28s %s", left, options->help);
		help_choices(options, out);
		if (options->standard)
			fprintf(out, " (default %s)", options->standard);
		fputc('\n', out);
	}
}
