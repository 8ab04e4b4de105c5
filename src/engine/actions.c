/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of actions: no handler asks for more than ENGINE_MAX_ACTIONS, whatever the peer does. */
#include "engine/actions.h"

#include <assert.h>

_Static_assert(NR_ACTION_TYPES <= 32, "pending holds a bit an action");

static struct action *append(struct actions *out, enum action_type type)
{
	struct action *action;

	assert(out->nr < ENGINE_MAX_ACTIONS);
	action = &out->list[out->nr++];
	*action = (struct action){ .type = type };
	return action;
}

void actions_add(struct actions *out, enum action_type type)
{
	append(out, type);
}

void actions_begin(struct actions *out, uint32_t *pending, enum action_type type)
{
	*pending |= 1u << type;
	append(out, type);
}

void actions_send(struct actions *out, uint16_t message)
{
	append(out, ACTION_SEND)->message = message;
}

void actions_send_failed(struct actions *out, const struct gw_error *error)
{
	struct action *action = append(out, ACTION_SEND);

	action->message = FRAME_FAILED;
	action->error = *error;
}

void actions_finish(struct actions *out, enum gw_outcome outcome, const struct gw_error *error)
{
	struct action *action = append(out, ACTION_FINISH);

	action->outcome = outcome;
	action->error = *error;
}
