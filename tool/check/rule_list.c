/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of rules for a device, group by group, and the list of all. */
#include "check.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROWS_BY 64

void rule_add(struct rule_list *list, const struct rule *rule)
{
	if (list->nr % GROWS_BY == 0) {
		list->items = realloc(list->items, (list->nr + GROWS_BY) * sizeof(*list->items));
		if (!list->items) {
			fputs("godwit: out of memory\n", stderr);
			exit(1);
		}
	}
	list->items[list->nr++] = *rule;
}

void rule_list_fill(struct rule_list *list, uint32_t flags)
{
	rules_state(list, flags);
	rules_feature(list, flags);
	rules_reset(list, flags);
	rules_arc(list, flags);
	rules_data(list, flags);
	rules_precopy(list, flags);
	rules_size(list, flags);
	rules_image(list, flags);
	rules_log(list, flags);
	rules_life(list, flags);
}

bool rule_is_wanted(const struct rule *rule, const char *const *patterns, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (!fnmatch(patterns[i], rule->name, 0))
			return true;
	return !nr;
}

static bool has(const struct rule_list *list, const char *name)
{
	for (unsigned i = 0; i < list->nr; i++)
		if (!strcmp(list->items[i].name, name))
			return true;
	return false;
}

void rule_list_fill_all(struct rule_list *list)
{
	static const uint32_t extras[] = {
		GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY,
		GW_MIGRATION_P2P,
		GW_MIGRATION_PRE_COPY,
		0,
	};

	for (unsigned i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
		struct rule_list some = { 0 };

		rule_list_fill(&some, GW_MIGRATION_STOP_COPY | extras[i]);
		for (unsigned r = 0; r < some.nr; r++)
			if (!has(list, some.items[r].name))
				rule_add(list, &some.items[r]);
		rule_list_free(&some);
	}
}

void rule_list_free(struct rule_list *list)
{
	free(list->items);
	*list = (struct rule_list){ 0 };
}
