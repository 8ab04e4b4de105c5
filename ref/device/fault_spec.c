/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parser of faults: knows the tables and nothing else. The text comes from a command line or a socket, so it may be
 * anything, of any length.
 */
#include "ref/device/fault_spec.h"

#include "ref/device/fault_number.h"
#include "ref/device/fault_table.h"
#include "ref/device/mig_state.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TOKEN_BYTES 48
#define LIST_BYTES  400

bool ref_fault_spec_is_word(enum fault_point point, unsigned arg)
{
	return fault_points[point].args[arg] && fault_points[point].args[arg]->words;
}

bool ref_fault_spec_is_spot(enum fault_action action)
{
	return fault_actions[action].is_spot;
}

const char *ref_fault_state_name(uint32_t state)
{
	for (const struct word *word = fault_state_names; word->name; word++)
		if (word->values == state)
			return word->name;
	return "?";
}

/* What is read, and what was said about it. */
struct parser {
	const char *at;
	struct fault *fault;
	char *error;
	size_t error_bytes;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct parser *p, const char *format, ...)
{
	va_list args;

	if (p->error_bytes) {
		va_start(args, format);
		vsnprintf(p->error, p->error_bytes, format, args);
		va_end(args);
	}
	return -EINVAL;
}

/* The text up to one of these or the end of all, as a string. */
static int token(struct parser *p, const char *ends, char text[TOKEN_BYTES])
{
	size_t length = strcspn(p->at, ends);

	if (length >= TOKEN_BYTES)
		return wrong(p, "\"%.20s...\" is no word of a fault", p->at);
	memcpy(text, p->at, length);
	text[length] = '\0';
	p->at += length;
	return 0;
}

static bool take(struct parser *p, char c)
{
	if (*p->at != c)
		return false;
	p->at++;
	return true;
}

static const struct word *find_word(const struct word *words, const char *name)
{
	for (; words->name; words++)
		if (!strcmp(words->name, name))
			return words;
	return NULL;
}

static bool find_state(uint64_t state)
{
	for (const struct word *word = fault_state_names; word->name; word++)
		if (word->values == state)
			return true;
	return false;
}

static void list_words(char *list, size_t size, const struct word *words)
{
	size_t used = 0;

	list[0] = '\0';
	for (; words->name && used < size; words++)
		used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "", words->name);
}

static int parse_arg(struct parser *p, const struct arg_kind *kind, struct fault_arg *arg)
{
	const struct word *known = kind->words ? kind->words : kind->names, *word;
	char text[TOKEN_BYTES], list[LIST_BYTES];
	int ret = token(p, ":=", text);

	if (ret)
		return ret;
	arg->any = !strcmp(text, "*");
	if (arg->any)
		return 0;
	word = find_word(known, text);
	if (word) {
		arg->value = word->values;
		return 0;
	}
	if (!kind->words && !ref_fault_number(text, &arg->value))
		return 0;
	list_words(list, sizeof(list), known);
	return wrong(p, "\"%s\" is not %s%s%s", text, kind->what, list[0] ? ": " : "", list);
}

static void list_points(char *list, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < FAULT_NR_POINTS && used < size; i++)
		used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "", fault_points[i].name);
}

static int find_point(struct parser *p)
{
	char text[TOKEN_BYTES], list[LIST_BYTES];
	int ret = token(p, ":=,", text);

	for (unsigned i = 0; i < FAULT_NR_POINTS && !ret; i++) {
		if (strcmp(fault_points[i].name, text))
			continue;
		p->fault->point = (enum fault_point)i;
		return 0;
	}
	list_points(list, sizeof(list));
	return ret ? ret : wrong(p, "there is no point \"%s\"; points are %s", text, list);
}

static int parse_point(struct parser *p)
{
	struct fault *fault = p->fault;
	const struct point *point;
	int ret = find_point(p);

	if (ret)
		return ret;
	point = &fault_points[fault->point];
	for (unsigned n = 0; n < FAULT_NR_ARGS; n++)
		fault->args[n].any = true;
	for (unsigned n = 0; n < FAULT_NR_ARGS && point->args[n] && !ret && take(p, ':'); n++)
		ret = parse_arg(p, point->args[n], &fault->args[n]);
	if (!ret && !take(p, '='))
		ret = wrong(p, "after \"%.*s\" comes =ACTION", (int)(p->at - fault->text), fault->text);
	return ret;
}

/* An errno is an action by its own name. */
static bool find_action(const char *name, struct fault *fault)
{
	for (unsigned i = FAULT_NONE + 1; i < FAULT_NR_ACTIONS; i++) {
		if (!fault_actions[i].name || strcmp(fault_actions[i].name, name))
			continue;
		fault->action = (enum fault_action)i;
		fault->error = fault_actions[i].error;
		return true;
	}
	fault->action = FAULT_ERRNO;
	return !ref_fault_errno(name, &fault->error);
}

/* At the point, and for the log in every call that is meant. */
static bool means_something(const struct action *action, const struct fault *fault)
{
	uint64_t calls = fault->args[0].any ? ~0ull : fault->args[0].value;

	if (!(action->points >> fault->point & 1))
		return false;
	return fault->point != FAULT_LOG || !(calls & FAULT_LOG_ALL & ~action->log_calls);
}

static void list_actions(char *list, size_t size, const struct fault *fault)
{
	size_t used = 0;

	list[0] = '\0';
	if (means_something(&fault_actions[FAULT_ERRNO], fault))
		used = (size_t)snprintf(list, size, "an errno's name");
	for (unsigned i = FAULT_NONE + 1; i < FAULT_NR_ACTIONS && used < size; i++)
		if (fault_actions[i].name && means_something(&fault_actions[i], fault))
			used += (size_t)snprintf(list + used, size - used, "%s%s", used ? ", " : "",
						 fault_actions[i].name);
}

static int parse_state(const char *text, uint64_t *state)
{
	const struct word *name = find_word(fault_state_names, text);

	if (!name)
		return ref_fault_number(text, state);
	*state = name->values;
	return 0;
}

static int parse_value(struct parser *p, const struct action *action)
{
	static const char *const kinds[] = { "", "a number", "a number or a device state", "a time such as 20ms" };
	char text[TOKEN_BYTES];
	int ret;

	if (action->value == VALUE_NONE)
		return 0;
	if (!take(p, ':'))
		return wrong(p, "%s needs :VALUE, %s", action->name, kinds[action->value]);
	ret = token(p, ",", text);
	if (ret)
		return ret;
	if (action->value == VALUE_TIME)
		ret = ref_fault_time(text, &p->fault->value);
	else
		ret = action->value == VALUE_STATE ? parse_state(text, &p->fault->value)
						   : ref_fault_number(text, &p->fault->value);
	return ret ? wrong(p, "%s takes %s, not \"%s\"", action->name, kinds[action->value], text) : 0;
}

static int parse_action(struct parser *p)
{
	char text[TOKEN_BYTES], list[LIST_BYTES];
	struct fault *fault = p->fault;
	const struct action *action;
	int ret = token(p, ":,", text);

	if (ret)
		return ret;
	list_actions(list, sizeof(list), fault);
	if (!find_action(text, fault))
		return wrong(p, "there is no action \"%s\"; at %s it can be %s", text, fault_points[fault->point].name,
			     list);
	action = &fault_actions[fault->action];
	if (!means_something(action, fault))
		return wrong(p, "%s means nothing at %s, where it can be %s", text, fault_points[fault->point].name,
			     list);
	ret = parse_value(p, action);
	if (fault->action == FAULT_ERROR) {
		fault->action = FAULT_FAIL_TO;
		fault->value = MIG_ERROR;
	}
	if (!ret && (fault->action == FAULT_TO || fault->action == FAULT_FAIL_TO) && !find_state(fault->value))
		ret = wrong(p, "%s needs a state that a device can be in", text);
	return ret;
}

static int parse_limit(struct parser *p)
{
	struct fault *fault = p->fault;
	const struct limit {
		const char *name;
		uint64_t *value;
		uint64_t min;
	} limits[] = {
		{ "times", &fault->times, 1 },
		{ "after", &fault->after, 1 },
		{ "at", &fault->at, 0 },
		{ "size", &fault->size, 0 },
	};
	char name[TOKEN_BYTES], text[TOKEN_BYTES] = "";
	int ret = token(p, "=,", name);

	if (!ret && take(p, '='))
		ret = token(p, ",", text);
	if (ret)
		return ret;
	if (!strcmp(name, "errno") && fault->error && !ref_fault_errno(text, &fault->error))
		return 0;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (!strcmp(limits[i].name, name) && !ref_fault_number(text, limits[i].value) &&
		    *limits[i].value >= limits[i].min)
			return 0;
	return wrong(p, "\"%s=%s\" is none of times=N, after=N (from 1), at=BYTES, size=BYTES%s", name, text,
		     fault->error ? ", errno=NAME" : "");
}

int ref_fault_spec_parse(const char *text, struct fault *fault, char *error, size_t error_bytes)
{
	struct parser p = { .fault = fault, .error = error, .error_bytes = error_bytes };
	int ret;

	*fault = (struct fault){ .times = FAULT_NO_LIMIT, .after = 1, .at = FAULT_ANYWHERE, .size = FAULT_NO_LIMIT };
	if (strlen(text) >= sizeof(fault->text))
		return wrong(&p, "a fault has at most %zu characters", sizeof(fault->text) - 1);
	strcpy(fault->text, text);
	p.at = fault->text;
	ret = parse_point(&p);
	if (!ret)
		ret = parse_action(&p);
	while (!ret && take(&p, ','))
		ret = parse_limit(&p);
	return !ret && *p.at ? wrong(&p, "\"%s\" is left over", p.at) : ret;
}
