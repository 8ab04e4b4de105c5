/* SPDX-License-Identifier: BSD-3-Clause */
/* What to do after owner-unknown: see owner_advice.h. The reasons are in doc/handover.md. */
#include "owner_advice.h"

#include "json.h"

#include <string.h>

static const struct advice {
	const char *side, *other;
	const char *resume_if; /* when the guest may be run here */
} advices[] = {
	{ "source", "destination", "it does not, and never will: \"discard\" has been said there, or its host is off" },
	{ "destination", "source",
	  "it does not, never will, and has not run the guest since: a guest that ran on there has changed its disks" },
};

static const struct advice *find_advice(const char *side)
{
	return !strcmp(side, "destination") ? &advices[1] : &advices[0];
}

static void show_arbiter(FILE *out, const char *control)
{
	fprintf(out,
		"  Both sides have an arbiter, and it could not be reached. This VM asks it every few seconds:\n"
		"  once it answers, the guest goes on where it belongs, and nothing is left to do. To see that:\n"
		"       godwit vm --control %s status\n"
		"  If it will not be back, decide without it:\n",
		control);
}

void owner_advice_show(FILE *out, const char *side, const char *control, const json_t *handover)
{
	const struct advice *advice = find_advice(side);

	fprintf(out, "  The guest is paused at the %s: it cannot know whether the %s runs it.\n", advice->side,
		advice->other);
	if (json_true_at(handover, "arbiter"))
		show_arbiter(out, control);
	fprintf(out, "  1. Find out whether the %s runs the guest. On its host, with its control socket:\n",
		advice->other);
	fprintf(out, "       godwit vm --control SOCKET status\n");
	fprintf(out, "  2. If it does, give the guest up here:\n");
	fprintf(out, "       godwit vm --control %s discard --other-side-stopped\n", control);
	fprintf(out, "     If %s,\n     run it here:\n", advice->resume_if);
	fprintf(out, "       godwit vm --control %s resume --other-side-stopped\n", control);
}
