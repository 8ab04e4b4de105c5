/* SPDX-License-Identifier: BSD-3-Clause */
/* TAP: see tap.h. */
#include "tap.h"

static const char *indent(unsigned number)
{
	return number ? "    " : "";
}

void tap_begin(FILE *out, const struct job *jobs, unsigned nr_jobs)
{
	fputs("TAP version 14\n", out);
	if (nr_jobs > 1)
		fprintf(out, "1..%u\n", nr_jobs);
}

void tap_begin_job(FILE *out, const struct job *job, unsigned number)
{
	if (number)
		fprintf(out, "# Subtest: %s\n", job->device.uri);
	fprintf(out, "%s1..%u\n", indent(number), job->run.rules.nr);
}

static void remark(FILE *out, unsigned number, const char *what, const char *text)
{
	if (text[0])
		fprintf(out, "%s# %s: %s\n", indent(number), what, text);
}

static void explain(FILE *out, unsigned number, const struct outcome *outcome)
{
	remark(out, number, "rule", outcome->rule->text);
	remark(out, number, "source", outcome->rule->source);
	remark(out, number, "did", outcome->did);
	remark(out, number, "came", outcome->came);
	remark(out, number, "due", outcome->due);
	if (outcome->nr_runs > 1)
		fprintf(out, "%s# failed: %u of %u times\n", indent(number), outcome->nr_failed, outcome->nr_runs);
}

/* What passes against the file is "not ok": who reads only the lines must see it too. */
void tap_outcome(FILE *out, const struct job *job, unsigned number, const struct outcome *outcome, unsigned nr)
{
	const char *name = outcome->rule->name, *why = known_why(job->known, name);

	fputs(indent(number), out);
	switch (job_judged(job, outcome)) {
	case JUDGED_PASSED:
		fprintf(out, "ok %u %s\n", nr, name);
		break;
	case JUDGED_SKIPPED:
		fprintf(out, "ok %u %s # SKIP %s\n", nr, name, outcome->came);
		break;
	case JUDGED_KNOWN:
		fprintf(out, "not ok %u %s # TODO known: %s\n", nr, name, why);
		explain(out, number, outcome);
		break;
	case JUDGED_PASSES_NOW:
		fprintf(out, "not ok %u %s\n%s# known.%s passes now: %s\n", nr, name, indent(number), name, why);
		break;
	default:
		fprintf(out, "not ok %u %s\n", nr, name);
		explain(out, number, outcome);
	}
	fflush(out);
}

void tap_end_job(FILE *out, struct job *job, unsigned number)
{
	struct job_count count = job_count(job);
	bool bad = count.nr[JUDGED_FAILED] || count.nr[JUDGED_PASSES_NOW] || job->run.stopped;

	if (number)
		fprintf(out, "%sok %u %s\n", bad ? "not " : "", number, job->device.uri);
	fflush(out);
}

void tap_end(FILE *out, struct job *jobs, unsigned nr_jobs)
{
	unsigned nr[JUDGED_NR] = { 0 }, missing = 0;

	for (unsigned i = 0; i < nr_jobs; i++) {
		struct job_count count = job_count(&jobs[i]);

		for (unsigned j = 0; j < JUDGED_NR; j++)
			nr[j] += count.nr[j];
		missing += jobs[i].run.rules.nr - jobs[i].nr_outcomes;
	}
	if (missing)
		fprintf(out, "# stopped: %u rules were not tried\n", missing);
	if (nr[JUDGED_PASSES_NOW])
		fprintf(out, "# %u known to fail passed: take them out of the file\n", nr[JUDGED_PASSES_NOW]);
	fprintf(out, "# %u passed, %u failed, %u known, %u skipped\n", nr[JUDGED_PASSED],
		nr[JUDGED_FAILED] + nr[JUDGED_PASSES_NOW], nr[JUDGED_KNOWN], nr[JUDGED_SKIPPED]);
}
