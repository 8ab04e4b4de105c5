/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The list an engine answers with: actions are appended in the order in which they are to be begun. Those that are
 * reported leave a bit in the engine's pending until their report comes.
 */
#ifndef ENGINE_ACTIONS_H
#define ENGINE_ACTIONS_H

#include "engine/event.h"

#include <stdbool.h>

void actions_begin(struct actions *out, uint32_t *pending, enum action_type type);
void actions_add(struct actions *out, enum action_type type);
void actions_send(struct actions *out, uint16_t message);
void actions_send_failed(struct actions *out, const struct gw_error *error);
void actions_finish(struct actions *out, enum gw_outcome outcome, const struct gw_error *error);

static inline bool pending_has(uint32_t pending, enum action_type type)
{
	return type < NR_ACTION_TYPES && pending >> type & 1;
}

/* A report counts once, and only for an action that was asked for: was there one? */
static inline bool pending_take(uint32_t *pending, enum action_type type)
{
	bool had = pending_has(*pending, type);

	if (had)
		*pending &= ~(1u << type);
	return had;
}

#endif
