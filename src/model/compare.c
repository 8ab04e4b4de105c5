/* SPDX-License-Identifier: BSD-3-Clause */
/* The manifest's rules for who has no migration at hand: see <godwit/compare.h>. */
#include "base/bits.h"
#include "base/export.h"
#include "model/manifest.h"

#include <errno.h>
#include <godwit/compare.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void describe(struct manifest *manifest, const struct gw_device_facts *facts, uint32_t nr)
{
	manifest->page_bytes = GW_PAGE_BYTES;
	manifest->nr_devices = nr;
	for (uint32_t i = 0; i < nr; i++) {
		struct manifest_device *device = &manifest->devices[i];

		snprintf(device->id, sizeof(device->id), "%.*s", GW_DEVICE_ID_BYTES - 1, facts[i].id);
		device->info = facts[i].info;
		device->info.backend[GW_DEVICE_TEXT_BYTES - 1] = 0;
		device->info.driver[GW_DEVICE_TEXT_BYTES - 1] = 0;
	}
}

static bool was_told(const struct gw_blocker *blockers, uint32_t nr, const char *code, const char *where)
{
	for (uint32_t i = 0; i < nr; i++)
		if (!strcmp(blockers[i].code, code) && !strcmp(blockers[i].where, where))
			return true;
	return false;
}

/* Both sides look for some things; what both found is told once. */
static uint32_t tell(const struct reasons *reasons, struct gw_blocker all[GW_MAX_BLOCKERS], uint32_t nr)
{
	for (uint32_t i = 0; i < reasons->nr && nr < GW_MAX_BLOCKERS; i++) {
		const struct reason *reason = &reasons->list[i];
		struct gw_blocker *blocker = &all[nr];

		if (was_told(all, nr, reason_code_name(reason->code), reason->where))
			continue;
		snprintf(blocker->code, sizeof(blocker->code), "%s", reason_code_name(reason->code));
		snprintf(blocker->where, sizeof(blocker->where), "%s", reason->where);
		snprintf(blocker->what, sizeof(blocker->what), "%s", reason->what);
		nr++;
	}
	return nr;
}

/* What it works with, too much for a stack. */
struct work {
	struct manifest source, destination;
	struct reasons of_source, of_destination;
	struct gw_blocker all[GW_MAX_BLOCKERS];
};

GW_EXPORT int gw_compare_devices(const struct gw_device_facts *source, uint32_t nr_source,
				 const struct gw_device_facts *destination, uint32_t nr_destination, uint32_t flags,
				 struct gw_blocker *blockers, uint32_t max_blockers)
{
	struct work *work;
	uint32_t nr;

	if (nr_source > GW_MAX_DEVICES || nr_destination > GW_MAX_DEVICES)
		return -EINVAL;
	work = calloc(1, sizeof(*work));
	if (!work)
		return -ENOMEM;
	describe(&work->source, source, nr_source);
	describe(&work->destination, destination, nr_destination);
	manifest_check_source(&work->source, flags, &work->of_source);
	manifest_compare(&work->source, &work->destination, &work->of_destination);
	nr = tell(&work->of_source, work->all, 0);
	nr = tell(&work->of_destination, work->all, nr);
	memcpy(blockers, work->all, (nr < max_blockers ? nr : max_blockers) * sizeof(*blockers));
	free(work);
	return (int)nr;
}
