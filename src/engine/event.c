/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of actions and events, for logs and tests. */
#include "engine/event.h"

#include "base/bits.h"

static const char *const action_names[NR_ACTION_TYPES] = {
	[ACTION_NONE] = "NONE",
	[ACTION_SEND] = "SEND",
	[ACTION_FINISH] = "FINISH",
	[ACTION_CLOSE] = "CLOSE",
	[ACTION_CONNECT] = "CONNECT",
	[ACTION_OPEN_DATA] = "OPEN_DATA",
	[ACTION_TRACK_START] = "TRACK_START",
	[ACTION_PRECOPY] = "PRECOPY",
	[ACTION_SYNC] = "SYNC",
	[ACTION_ROUND] = "ROUND",
	[ACTION_PAUSE] = "PAUSE",
	[ACTION_QUIESCE] = "QUIESCE",
	[ACTION_STOP] = "STOP",
	[ACTION_DRAIN] = "DRAIN",
	[ACTION_DECIDE] = "DECIDE",
	[ACTION_TAKE_BACK] = "TAKE_BACK",
	[ACTION_RELEASE] = "RELEASE",
	[ACTION_UNPAUSE] = "UNPAUSE",
	[ACTION_THROTTLE] = "THROTTLE",
	[ACTION_RECONNECT] = "RECONNECT",
	[ACTION_REJOIN] = "REJOIN",
	[ACTION_CLAIM] = "CLAIM",
	[ACTION_CHECK] = "CHECK",
	[ACTION_PREPARE_LOAD] = "PREPARE_LOAD",
	[ACTION_FINISH_LOAD] = "FINISH_LOAD",
	[ACTION_RUN] = "RUN",
	[ACTION_DISCARD] = "DISCARD",
	[ACTION_DETACH] = "DETACH",
	[ACTION_GIVE_BACK] = "GIVE_BACK",
};

static const char *const event_names[NR_EVENT_TYPES] = {
	[EVENT_START] = "START",         [EVENT_MESSAGE] = "MESSAGE",   [EVENT_PEER_LOST] = "PEER_LOST",
	[EVENT_DONE] = "DONE",           [EVENT_FAILED] = "FAILED",     [EVENT_FAULT] = "FAULT",
	[EVENT_CANCEL] = "CANCEL",       [EVENT_TICK] = "TICK",         [EVENT_TAKE_BACK] = "TAKE_BACK",
	[EVENT_TAKE_OVER] = "TAKE_OVER", [EVENT_REJOINED] = "REJOINED",
};

static const char *name_of(const char *const *names, unsigned nr, unsigned type)
{
	return type < nr && names[type] ? names[type] : "?";
}

const char *action_name(enum action_type type)
{
	return name_of(action_names, ARRAY_SIZE(action_names), type);
}

const char *event_name(enum event_type type)
{
	return name_of(event_names, ARRAY_SIZE(event_names), type);
}
