/* SPDX-License-Identifier: BSD-3-Clause */
/* Outcomes and rules as JSON: see check_json.h. */
#include "check_json.h"

#include "needs.h"

#include <godwit/godwit.h>

static const char *const names[JUDGED_NR] = {
	[JUDGED_PASSED] = "passed",         [JUDGED_FAILED] = "failed",   [JUDGED_KNOWN] = "known",
	[JUDGED_PASSES_NOW] = "passes-now", [JUDGED_SKIPPED] = "skipped",
};

static void put_text(json_t *object, const char *key, const char *text)
{
	if (text && text[0])
		json_object_set_new(object, key, json_string(text));
}

static json_t *rule_json(const struct job *job, const struct outcome *outcome)
{
	enum judged judged = job_judged(job, outcome);
	json_t *rule = json_pack("{s:s, s:s, s:f}", "name", outcome->rule->name, "verdict", names[judged], "ms",
				 (double)outcome->took_ns / 1e6);

	if (outcome->nr_runs > 1) {
		json_object_set_new(rule, "runs", json_integer(outcome->nr_runs));
		json_object_set_new(rule, "failed_runs", json_integer(outcome->nr_failed));
	}
	put_text(rule, "known", known_why(job->known, outcome->rule->name));
	if (judged == JUDGED_SKIPPED)
		put_text(rule, "reason", outcome->came);
	if (judged != JUDGED_FAILED && judged != JUDGED_KNOWN)
		return rule;
	put_text(rule, "text", outcome->rule->text);
	put_text(rule, "source", outcome->rule->source);
	put_text(rule, "did", outcome->did);
	put_text(rule, "came", outcome->came);
	put_text(rule, "due", outcome->due);
	return rule;
}

static json_t *totals_json(const struct job_count *count, unsigned missing)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:f}", "passed", (int)count->nr[JUDGED_PASSED], "failed",
			 (int)count->nr[JUDGED_FAILED], "known", (int)count->nr[JUDGED_KNOWN], "passes_now",
			 (int)count->nr[JUDGED_PASSES_NOW], "skipped", (int)count->nr[JUDGED_SKIPPED], "not_tried",
			 (int)missing, "ms", (double)count->took_ns / 1e6);
}

static json_t *job_json(struct job *job, const struct job_count *count)
{
	json_t *rules = json_array(), *object;

	for (unsigned i = 0; i < job->nr_outcomes; i++)
		json_array_append_new(rules, rule_json(job, &job->outcomes[i]));
	object = json_pack("{s:O, s:o, s:o}", "device", job->about, "rules", rules, "totals",
			   totals_json(count, job->run.rules.nr - job->nr_outcomes));
	put_text(object, "peer", job->peer.uri);
	return object;
}

json_t *check_json_report(struct job *jobs, unsigned nr_jobs)
{
	struct job_count all = { 0 };
	json_t *devices = json_array();
	unsigned missing = 0;

	for (unsigned i = 0; i < nr_jobs; i++) {
		struct job_count count = job_count(&jobs[i]);

		json_array_append_new(devices, job_json(&jobs[i], &count));
		for (unsigned j = 0; j < JUDGED_NR; j++)
			all.nr[j] += count.nr[j];
		all.took_ns += count.took_ns;
		missing += jobs[i].run.rules.nr - jobs[i].nr_outcomes;
	}
	return json_pack("{s:s, s:o, s:o}", "godwit", gw_version(), "devices", devices, "totals",
			 totals_json(&all, missing));
}

json_t *check_json_rules(const struct rule_list *list)
{
	json_t *rules = json_array();

	for (unsigned i = 0; i < list->nr; i++) {
		const struct rule *rule = &list->items[i];
		json_t *needs = json_array();

		for (unsigned bit = 0; needs_name(bit); bit++)
			if (rule->needs & 1u << bit)
				json_array_append_new(needs, json_string(needs_name(bit)));
		json_array_append_new(rules, json_pack("{s:s, s:s, s:s, s:o}", "name", rule->name, "text", rule->text,
						       "source", rule->source, "needs", needs));
	}
	return json_pack("{s:s, s:o}", "godwit", gw_version(), "rules", rules);
}
