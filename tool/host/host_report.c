/* SPDX-License-Identifier: BSD-3-Clause */
/* See host_report.h. */
#include "host_report.h"

#include "tool/device_json.h"
#include "tool/json.h"
#include "tool/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Control characters, of ASCII and of U+0080 to U+009F: what is printed of a report must not command a terminal. */
static bool is_control(const char *at)
{
	const unsigned char *c = (const unsigned char *)at;

	return c[0] < 0x20 || c[0] == 0x7f || (c[0] == 0xc2 && c[1] < 0xa0);
}

static void clean_text(json_t *value)
{
	char *text = strdup(json_string_value(value));

	for (char *c = text; c && *c; c++)
		if (is_control(c)) {
			if ((unsigned char)*c == 0xc2)
				*c++ = '?';
			*c = '?';
		}
	json_string_set(value, text ? text : "");
	free(text);
}

/* As deep as the parser lets a document be. */
static void clean(json_t *value)
{
	const char *key;
	json_t *inner;
	size_t i;

	if (json_is_string(value))
		clean_text(value);
	json_object_foreach(value, key, inner) clean(inner);
	json_array_foreach(value, i, inner) clean(inner);
}

static int load(struct host_report *report, struct gw_error *e)
{
	json_error_t why;
	FILE *in;

	if (!strcmp(report->path, "-")) {
		report->document = json_loadf(stdin, 0, &why);
	} else {
		in = fopen(report->path, "re");
		if (!in)
			return gw_error_set(e, -errno, report->path, "cannot be read: %s", strerror(errno));
		report->document = json_loadf(in, 0, &why);
		fclose(in);
	}
	if (!report->document)
		return gw_error_set(e, -EBADMSG, report->path, "is no JSON: %s (line %d)", why.text, why.line);
	clean(report->document);
	return 0;
}

static int add_device(struct host_report *report, const json_t *device, struct gw_error *e)
{
	const char *id = json_text(device, "id");
	struct gw_device_facts *facts = &report->facts[report->nr_devices];

	if (report->nr_devices == GW_MAX_DEVICES)
		return gw_error_set(e, -EBADMSG, report->path, "has more than %d devices", GW_MAX_DEVICES);
	if (!id[0] || strlen(id) >= sizeof(facts->id))
		return gw_error_set(e, -EBADMSG, report->path, "has a device without an id");
	if (!json_is_array(json_object_get(device, "migration_flags")))
		return gw_error_set(e, -EBADMSG, report->path, "does not say whether %s can migrate", id);
	strcpy(facts->id, id);
	device_json_info(device, &facts->info);
	report->devices[report->nr_devices++] = device;
	return 0;
}

static int take(struct host_report *report, struct gw_error *e)
{
	const json_t *number = json_object_get(report->document, "report");
	const json_t *devices = json_object_get(report->document, "devices");
	const json_t *device;
	int ret = 0;
	size_t i;

	report->host = json_object_get(report->document, "host");
	if (!json_is_integer(number) || !json_is_object(report->host) || !json_is_array(devices))
		return gw_error_set(e, -EBADMSG, report->path, "is no report of \"godwit report\"");
	if (json_integer_value(number) != HOST_REPORT_FORMAT)
		return gw_error_set(
			e, -EPROTONOSUPPORT, report->path,
			"is a report of format %lld, this godwit reads format %d: make it with the same release",
			(long long)json_integer_value(number), HOST_REPORT_FORMAT);
	json_array_foreach(devices, i, device)
	{
		if (!ret)
			ret = add_device(report, device, e);
	}
	return ret;
}

int host_report_read(struct host_report *report, const char *path, struct gw_error *e)
{
	int ret;

	*report = (struct host_report){ .path = path };
	ret = load(report, e);
	return ret ? ret : take(report, e);
}

void host_report_close(struct host_report *report)
{
	json_decref(report->document);
	report->document = NULL;
}

int host_report_choose(struct host_report *report, uint32_t at, const char *id, const char *as, struct gw_error *e)
{
	uint32_t i = at;

	while (i < report->nr_devices && strcmp(report->facts[i].id, id) != 0)
		i++;
	if (i == report->nr_devices)
		return gw_error_set(e, -ENOENT, report->path, "has no device \"%s\", or it was named before", id);
	if (i != at) {
		struct gw_device_facts facts = report->facts[at];
		const json_t *device = report->devices[at];

		report->facts[at] = report->facts[i];
		report->devices[at] = report->devices[i];
		report->facts[i] = facts;
		report->devices[i] = device;
	}
	snprintf(report->facts[at].id, sizeof(report->facts[at].id), "%s", as);
	return 0;
}
