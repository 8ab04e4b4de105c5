/* SPDX-License-Identifier: BSD-3-Clause */
/* The words of a trial: verdicts, and the ways from state to state that rules share. */
#include "check.h"

#include "opener.h"
#include "state_table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void trial_did(struct trial *t, const char *fmt, ...)
{
	va_list args;

	if (t->verdict != VERDICT_NONE)
		return; /* what follows a verdict is cleaning up */
	va_start(args, fmt);
	vsnprintf(t->did, sizeof(t->did), fmt, args);
	va_end(args);
}

bool trial_fail(struct trial *t, const char *due, const char *fmt, ...)
{
	va_list args;

	if (t->verdict != VERDICT_NONE)
		return false;
	t->verdict = VERDICT_FAIL;
	snprintf(t->due, sizeof(t->due), "%s", due);
	va_start(args, fmt);
	vsnprintf(t->came, sizeof(t->came), fmt, args);
	va_end(args);
	return false;
}

bool trial_skip(struct trial *t, const char *fmt, ...)
{
	va_list args;

	if (t->verdict != VERDICT_NONE)
		return false;
	t->verdict = VERDICT_SKIP;
	va_start(args, fmt);
	vsnprintf(t->came, sizeof(t->came), fmt, args);
	va_end(args);
	return false;
}

bool trial_done(struct trial *t, ssize_t ret)
{
	return ret >= 0 || trial_fail(t, "success", "%s", errno_name((int)ret));
}

static void list_codes(const int *codes, char *text, size_t size)
{
	size_t at = 0;

	text[0] = 0;
	for (unsigned i = 0; codes[i] && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%s", i ? " or " : "", errno_name(codes[i]));
}

bool trial_refused(struct trial *t, ssize_t ret, const int *codes)
{
	char due[TRIAL_TEXT_BYTES] = "an error";

	if (codes)
		list_codes(codes, due, sizeof(due));
	if (ret >= 0)
		return trial_fail(t, due, ret ? "success, %zd bytes" : "success", ret);
	if (trial_is_gone(t->dev, (int)ret))
		return trial_fail(t, due, "%s: nobody answers any more", errno_name((int)ret));
	for (unsigned i = 0; codes && codes[i]; i++)
		if (codes[i] == ret)
			return true;
	return codes ? trial_fail(t, due, "%s", errno_name((int)ret)) : true;
}

int trial_set(struct trial *t, uint32_t state)
{
	struct gw_raw_state call = { .state = state, .data_fd = -1 };
	int ret;

	if (state < GW_NR_STATES)
		trial_did(t, "SET %s in %s", gw_device_state_name(state), gw_device_state_name(t->at));
	else
		trial_did(t, "SET %u in %s", state, gw_device_state_name(t->at));
	ret = gw_raw_state_set(t->dev, &call);
	if (!ret)
		t->at = state;
	return ret;
}

int trial_walk(struct trial *t, uint32_t state, uint32_t *from, uint32_t *to)
{
	uint32_t path[GW_NR_STATES];
	unsigned nr = state_path(t->at, state, t->info.migration_flags, path);

	*from = t->at;
	*to = state;
	if (!nr && t->at != state)
		return -EINVAL;
	for (unsigned i = 0; i < nr; i++) {
		struct gw_raw_state now;
		int ret;

		*from = t->at;
		*to = path[i];
		ret = trial_set(t, path[i]);
		if (!ret)
			ret = gw_raw_state_get(t->dev, &now);
		if (!ret && now.state != path[i])
			ret = -EPROTO;
		if (ret)
			return ret;
	}
	return 0;
}

bool trial_go(struct trial *t, uint32_t state)
{
	uint32_t from, to;
	int ret = trial_walk(t, state, &from, &to);

	if (!ret)
		return true;
	return trial_skip(t, "%s is not reached: %s -> %s: %s", gw_device_state_name(state), gw_device_state_name(from),
			  gw_device_state_name(to), ret == -EPROTO ? "GET tells another state" : errno_name(ret));
}

bool trial_is_in(struct trial *t, uint32_t state)
{
	struct gw_raw_state now = { 0 };
	int ret = gw_raw_state_get(t->dev, &now);
	char due[64];

	if (ret)
		return trial_skip(t, "GET of the state: %s", errno_name(ret));
	if (now.state == state) {
		t->at = state;
		return true;
	}
	snprintf(due, sizeof(due), "GET tells %s", gw_device_state_name(state));
	return trial_fail(t, due, "GET tells %s (%u)", gw_device_state_name(now.state), now.state);
}

void trial_close(struct trial *t)
{
	if (t->peer == t->dev)
		t->peer = NULL;
	gw_device_close(t->dev);
	t->dev = NULL;
}

int trial_reopen(struct trial *t, uint32_t flags)
{
	int ret = t->opener->open(t->opener->ctx, &t->dev, flags, NULL);

	if (ret)
		t->dev = NULL;
	else if (!t->peer)
		t->peer = t->dev;
	return ret;
}
