/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_fake_kernel [--no-p2p] [--no-precopy] [FAULT]: the suite on the fake kernel device, in the words of "godwit
 * check --json" as far as test/check/run needs them. Exit code 0 whatever the rules say.
 */
#include "fake_kernel.h"
#include "tool/check/run.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void note(struct run *run, const struct outcome *outcome)
{
	static const char *const verdicts[] = {
		[VERDICT_NONE] = "none",
		[VERDICT_PASS] = "passed",
		[VERDICT_FAIL] = "failed",
		[VERDICT_SKIP] = "skipped",
	};

	json_array_append_new(run->ctx, json_pack("{s:s, s:s, s:s, s:s, s:s}", "name", outcome->rule->name, "verdict",
						  verdicts[outcome->verdict], "did", outcome->did, "came",
						  outcome->came, "due", outcome->due));
}

static struct fake_kernel *kernel_from(int argc, char **argv)
{
	uint32_t flags = GW_MIGRATION_STOP_COPY | GW_MIGRATION_P2P | GW_MIGRATION_PRE_COPY;
	const char *fault = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--no-p2p"))
			flags &= ~GW_MIGRATION_P2P;
		else if (!strcmp(argv[i], "--no-precopy"))
			flags &= ~GW_MIGRATION_PRE_COPY;
		else
			fault = argv[i];
	}
	return fake_kernel_new(flags, fault);
}

int main(int argc, char **argv)
{
	struct fake_kernel *kernel = kernel_from(argc, argv);
	json_t *rules = json_array(), *document = json_pack("{s:[{s:o}]}", "devices", "rules", rules);
	struct run run = {
		.opener = { .open = fake_kernel_open, .ctx = kernel },
		.repeat = 1,
		.dangerous = true,
		.stop_fd = -1,
		.ended = note,
		.ctx = rules,
	};
	struct gw_error e = GW_ERROR_NONE;
	int ret = kernel ? run_open(&run, &e) : -1;

	if (!ret) {
		run_rules(&run);
		json_dumpf(document, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		fprintf(stderr, "check_fake_kernel: %s\n", e.what);
	}
	run_close(&run);
	fake_kernel_free(kernel);
	json_decref(document);
	return ret ? 1 : 0;
}
