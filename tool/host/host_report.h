/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What "godwit report" wrote, read back: a file that came from another host and may hold anything. Devices are chosen
 * by their ids.
 */
#ifndef TOOL_HOST_REPORT_H
#define TOOL_HOST_REPORT_H

#include <godwit/compare.h>
#include <godwit/error.h>
#include <jansson.h>

#define HOST_REPORT_FORMAT 1 /* "report" in the document; another number is one that cannot be read */

struct host_report {
	const char *path;
	json_t *document; /* owned */
	const json_t *host;
	uint32_t nr_devices;
	const json_t *devices[GW_MAX_DEVICES];
	struct gw_device_facts facts[GW_MAX_DEVICES];
};

/* "-" is stdin. report can be closed whatever came of it. */
int host_report_read(struct host_report *report, const char *path, struct gw_error *e);
void host_report_close(struct host_report *report);

/* Moves the device `id` to place `at`, before all others that were not chosen, and calls it `as`. -ENOENT: none. */
int host_report_choose(struct host_report *report, uint32_t at, const char *id, const char *as, struct gw_error *e);

#endif
