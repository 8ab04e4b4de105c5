/* SPDX-License-Identifier: BSD-3-Clause */
#include "rule_state.h"

#include <stdio.h>

uint32_t rule_state_needs(uint32_t state)
{
	switch (state) {
	case GW_STATE_RUNNING_P2P:
		return NEED_P2P;
	case GW_STATE_PRE_COPY:
		return NEED_PRECOPY;
	case GW_STATE_PRE_COPY_P2P:
		return NEED_P2P | NEED_PRECOPY;
	}
	return 0;
}

void rule_add_for_states(struct rule_list *list, const struct rule *rule, const uint32_t *states)
{
	for (; *states != RULE_STATE_ENDS; states++) {
		struct rule one = *rule;

		snprintf(one.name, sizeof(one.name), "%.40s.%s", rule->name, gw_device_state_name(*states));
		one.from = *states;
		one.needs |= rule_state_needs(*states);
		rule_add(list, &one);
	}
}

void rule_add_all(struct rule_list *list, const struct rule *rules, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		rule_add(list, &rules[i]);
}
