/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading the file of known failures: see known.h. A mistake in it is an error, since it would hide one of the
 * driver.
 */
#include "known.h"

#include "tool/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES (RULE_NAME_BYTES + KNOWN_WHY_BYTES + 64)
#define BLANKS     " \t\r\n"

struct place {
	const char *path;
	unsigned line;
};

static bool is_rule(const struct rule_list *rules, const char *name)
{
	for (unsigned i = 0; i < rules->nr; i++)
		if (!strcmp(rules->items[i].name, name))
			return true;
	return false;
}

const char *known_why(const struct known *known, const char *rule)
{
	for (unsigned i = 0; i < known->nr; i++)
		if (!strcmp(known->rules[i].name, rule))
			return known->rules[i].why;
	return NULL;
}

/* Without the blanks at both ends, cut off in place. */
static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && strchr(BLANKS, end[-1]))
		*--end = 0;
	return text + strspn(text, BLANKS);
}

static int add(struct known *known, const struct place *at, const char *name, const char *why, struct gw_error *e)
{
	struct known_rule *rules = realloc(known->rules, (known->nr + 1) * sizeof(*rules));

	if (!rules)
		return gw_error_set(e, -ENOMEM, at->path, "out of memory");
	known->rules = rules;
	snprintf(rules[known->nr].name, sizeof(rules[0].name), "%s", name);
	snprintf(rules[known->nr].why, sizeof(rules[0].why), "%s", why);
	known->nr++;
	return 0;
}

static int take_line(struct known *known, const struct place *at, char *line, const struct rule_list *rules,
		     struct gw_error *e)
{
	char *hash = strchr(line, '#'), *name, *why;

	if (!hash && strlen(line) == LINE_BYTES - 1)
		return gw_error_set(e, -EINVAL, at->path, "line %u is too long", at->line);
	if (hash)
		*hash = 0;
	name = trim(line);
	why = hash ? trim(hash + 1) : NULL;
	if (!*name)
		return 0;
	if (!is_rule(rules, name))
		return gw_error_set(e, -EINVAL, at->path, "line %u: there is no rule \"%s\" (godwit check --list)",
				    at->line, name);
	if (!why || !*why)
		return gw_error_set(e, -EINVAL, at->path, "line %u: %s comes without a reason (%s  # why)", at->line,
				    name, name);
	if (known_why(known, name))
		return gw_error_set(e, -EINVAL, at->path, "line %u: %s is there twice", at->line, name);
	return add(known, at, name, why, e);
}

int known_read(struct known *known, const char *path, const struct rule_list *rules, struct gw_error *e)
{
	struct place at = { .path = path };
	char line[LINE_BYTES];
	FILE *file;
	int ret = 0;

	*known = (struct known){ 0 };
	file = fopen(path, "re");
	if (!file)
		return gw_error_set(e, -errno, path, "cannot be read: %s", strerror(errno));
	while (!ret && fgets(line, sizeof(line), file)) {
		at.line++;
		ret = take_line(known, &at, line, rules, e);
	}
	if (!ret && ferror(file))
		ret = gw_error_set(e, -EIO, path, "cannot be read");
	fclose(file);
	return ret;
}

void known_free(struct known *known)
{
	free(known->rules);
	*known = (struct known){ 0 };
}
