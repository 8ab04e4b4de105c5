/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runner: see run.h. What a rule did to the device is undone here, and a device that does not survive it is
 * found out.
 */
#include "run.h"

#include "needs.h"
#include "settle.h"
#include "tool/now.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static const char gone_text[] = "the device is gone";
static const char stuck_text[] = "the device does not come back to RUNNING";

static void list_rules(struct run *run)
{
	struct rule_list all = { 0 };

	rule_list_fill(&all, run->info.migration_flags);
	for (unsigned i = 0; i < all.nr; i++)
		if (rule_is_wanted(&all.items[i], run->only, run->nr_only))
			rule_add(&run->rules, &all.items[i]);
	rule_list_free(&all);
}

/* The library has brought it there, as far as it knows. */
static int begin_settled(struct gw_device *dev, struct gw_error *e)
{
	uint32_t state;
	int ret = settle(dev, &state);

	if (ret && e && !e->code) {
		e->code = ret;
		snprintf(e->where, sizeof(e->where), "%s", gw_device_id(dev));
		snprintf(e->what, sizeof(e->what), "the device does not come to RUNNING: GET tells %s (%s)",
			 gw_device_state_name(state), errno_name(ret));
	}
	return ret;
}

int run_open(struct run *run, struct gw_error *e)
{
	int ret = run->opener.open(run->opener.ctx, &run->dev, 0, e);

	if (ret)
		run->dev = NULL;
	if (!ret)
		ret = gw_device_get_info(run->dev, &run->info, e);
	if (!ret && run->peer_opener.open) {
		ret = run->peer_opener.open(run->peer_opener.ctx, &run->peer, 0, e);
		if (ret)
			run->peer = NULL;
	} else if (!ret) {
		run->peer = run->dev;
	}
	if (ret || !run->info.migration_flags)
		return ret;
	ret = begin_settled(run->dev, e);
	if (!ret && run->peer != run->dev)
		ret = begin_settled(run->peer, e);
	if (!ret)
		list_rules(run);
	return ret;
}

static bool told_to_stop(struct run *run)
{
	struct pollfd pfd = { .fd = run->stop_fd, .events = POLLIN };

	run->stopped = run->stopped || poll(&pfd, 1, 0) > 0;
	return run->stopped;
}

/* Whatever the rule found: this device is not fit for another. */
static void blame(struct trial *t, const char *due, const char *came)
{
	if (t->verdict == VERDICT_FAIL)
		return;
	t->verdict = VERDICT_FAIL;
	snprintf(t->due, sizeof(t->due), "%s", due);
	snprintf(t->came, sizeof(t->came), "%s", came);
}

/* One side of the trial made ready for the next: 0, or why not. */
static int settle_side(const struct opener *opener, struct gw_device **dev, bool *was_gone)
{
	uint32_t state;
	int ret = *dev ? settle(*dev, &state) : -EPIPE;

	*was_gone = errno_is_gone(ret);
	if (!ret)
		return 0;
	gw_device_close(*dev);
	*dev = NULL;
	ret = opener->open(opener->ctx, dev, 0, NULL);
	if (ret)
		*dev = NULL;
	return ret ? ret : settle(*dev, &state);
}

static void settle_after(struct run *run, struct trial *t)
{
	bool own_peer = run->peer == run->dev, gone, peer_gone = false;
	bool closed = !t->dev && t->rule->needs & NEED_NO_CLIENT;
	int ret;

	run->dev = t->dev;
	if (t->dev && t->rule->needs & NEED_DMA_LOG)
		gw_raw_log_stop(t->dev);
	ret = settle_side(&run->opener, &run->dev, &gone);
	if (own_peer)
		run->peer = run->dev;
	else if (!ret)
		ret = settle_side(&run->peer_opener, &run->peer, &peer_gone);
	if ((gone && !closed) || peer_gone)
		blame(t, "an answer", gone ? "nobody answers any more" : "the peer does not answer any more");
	if (!ret)
		return;
	run->lost = gone || peer_gone || closed ? gone_text : stuck_text;
	blame(t, "RUNNING again, by SET or by reset", run->lost);
}

static void try_once(struct run *run, struct outcome *outcome)
{
	struct trial t = {
		.rule = outcome->rule,
		.dev = run->dev,
		.peer = run->peer,
		.info = run->info,
		.at = GW_STATE_RUNNING,
		.opener = &run->opener,
	};
	const char *missing = needs_missing(&t, run->dangerous);
	uint64_t began = now_ns();

	if (missing) {
		trial_skip(&t, "%s", missing);
	} else {
		t.rule->run(&t);
		if (t.verdict == VERDICT_NONE)
			t.verdict = VERDICT_PASS;
		settle_after(run, &t);
	}
	outcome->took_ns += now_ns() - began;
	outcome->nr_runs++;
	outcome->nr_failed += t.verdict == VERDICT_FAIL;
	if (outcome->verdict == VERDICT_FAIL)
		return;
	outcome->verdict = t.verdict;
	memcpy(outcome->did, t.did, sizeof(t.did));
	memcpy(outcome->came, t.came, sizeof(t.came));
	memcpy(outcome->due, t.due, sizeof(t.due));
}

static void try_rule(struct run *run, const struct rule *rule)
{
	struct outcome outcome = { .rule = rule };

	if (run->began)
		run->began(run, rule);
	if (run->lost) {
		outcome.verdict = VERDICT_SKIP;
		snprintf(outcome.came, sizeof(outcome.came), "%s", run->lost);
	}
	for (unsigned i = 0; i < run->repeat && !run->lost && (!i || !told_to_stop(run)); i++) {
		try_once(run, &outcome);
		if (outcome.verdict == VERDICT_SKIP)
			break;
	}
	if (run->ended)
		run->ended(run, &outcome);
}

void run_rules(struct run *run)
{
	for (unsigned i = 0; i < run->rules.nr && !told_to_stop(run); i++)
		try_rule(run, &run->rules.items[i]);
}

void run_close(struct run *run)
{
	if (run->peer != run->dev)
		gw_device_close(run->peer);
	gw_device_close(run->dev);
	run->dev = run->peer = NULL;
	rule_list_free(&run->rules);
}
