/* SPDX-License-Identifier: BSD-3-Clause */
/* JUnit XML, by hand: see junit.h. There is no standard; this is what CI servers agree on. */
#include "junit.h"

#include "tool/say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Text and attributes alike. What XML 1.0 cannot hold becomes a question mark. */
static void put_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			fputs("&amp;", out);
		else if (c == '<')
			fputs("&lt;", out);
		else if (c == '>')
			fputs("&gt;", out);
		else if (c == '"')
			fputs("&quot;", out);
		else
			fputc(c < 0x20 && c != '\n' && c != '\t' ? '?' : c, out);
	}
}

static void put_attribute(FILE *out, const char *name, const char *text)
{
	fprintf(out, " %s=\"", name);
	put_text(out, text);
	fputc('"', out);
}

static void put_failure(FILE *out, const struct outcome *outcome)
{
	const struct {
		const char *what, *text;
	} lines[] = {
		{ "rule", outcome->rule->text }, { "source", outcome->rule->source },
		{ "did", outcome->did },         { "came", outcome->came },
		{ "due", outcome->due },
	};

	fputs("      <failure type=\"rule\"", out);
	put_attribute(out, "message", outcome->came);
	fputc('>', out);
	for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		fprintf(out, "%s: ", lines[i].what);
		put_text(out, lines[i].text);
		fputc('\n', out);
	}
	fputs("</failure>\n", out);
}

static void put_skipped(FILE *out, const char *what, const char *why)
{
	fputs("      <skipped message=\"", out);
	put_text(out, what);
	put_text(out, why);
	fputs("\"/>\n", out);
}

static void put_case(FILE *out, const struct job *job, const struct outcome *outcome)
{
	const char *name = outcome->rule->name, *why = known_why(job->known, name);

	fputs("    <testcase", out);
	put_attribute(out, "name", name);
	fprintf(out, " classname=\"%.*s\" time=\"%.6f\">\n", (int)strcspn(name, "."), name,
		(double)outcome->took_ns / 1e9);
	switch (job_judged(job, outcome)) {
	case JUDGED_PASSED:
		break;
	case JUDGED_SKIPPED:
		put_skipped(out, "", outcome->came);
		break;
	case JUDGED_KNOWN:
		put_skipped(out, "known: ", why);
		break;
	case JUDGED_PASSES_NOW:
		fputs("      <failure type=\"known\" message=\"passes now: ", out);
		put_text(out, why);
		fputs("\"/>\n", out);
		break;
	default:
		put_failure(out, outcome);
	}
	fputs("    </testcase>\n", out);
}

static void put_counts(FILE *out, const struct job_count *count, unsigned tests)
{
	fprintf(out, " tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\" time=\"%.6f\"", tests,
		count->nr[JUDGED_FAILED] + count->nr[JUDGED_PASSES_NOW],
		count->nr[JUDGED_SKIPPED] + count->nr[JUDGED_KNOWN], (double)count->took_ns / 1e9);
}

static void put_all(FILE *out, struct job *jobs, unsigned nr_jobs)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"godwit check\">\n", out);
	for (unsigned i = 0; i < nr_jobs; i++) {
		struct job_count count = job_count(&jobs[i]);

		fputs("  <testsuite", out);
		put_attribute(out, "name", jobs[i].device.uri);
		put_counts(out, &count, jobs[i].nr_outcomes);
		fputs(">\n", out);
		for (unsigned o = 0; o < jobs[i].nr_outcomes; o++)
			put_case(out, &jobs[i], &jobs[i].outcomes[o]);
		fputs("  </testsuite>\n", out);
	}
	fputs("</testsuites>\n", out);
}

int junit_open(const char *path, FILE **out, struct gw_error *e)
{
	*out = fopen(path, "we");
	return *out ? 0 : gw_error_set(e, -errno, path, "cannot be written: %s", strerror(errno));
}

int junit_write(FILE *out, const char *path, struct job *jobs, unsigned nr_jobs, struct gw_error *e)
{
	bool bad;

	put_all(out, jobs, nr_jobs);
	bad = ferror(out);
	if (fclose(out) || bad)
		return gw_error_set(e, -EIO, path, "cannot be written");
	return 0;
}
