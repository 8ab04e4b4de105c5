/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules of which there is one for each of some states, named after it; and tables of rules. */
#ifndef TOOL_CHECK_RULE_STATE_H
#define TOOL_CHECK_RULE_STATE_H

#include "check.h"

#define RULE_STATE_ENDS GW_NR_STATES /* behind the last of some states */

/* The rule as STEM.STATE, with `from` the state and with what the state needs added to its needs. */
void rule_add_for_states(struct rule_list *list, const struct rule *rule, const uint32_t *states);
void rule_add_all(struct rule_list *list, const struct rule *rules, unsigned nr);

/* NEED_* of a device that is to be in this state. */
uint32_t rule_state_needs(uint32_t state);

#endif
