/* SPDX-License-Identifier: BSD-3-Clause */
/* One call of a trace as one line: see trace_line.h. */
#include "trace_line.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_S  1e9
#define NS_PER_MS 1e6
#define NS_PER_US 1e3

static double since(const struct gw_trace_call *call, uint64_t zero_ns)
{
	return call->began_ns > zero_ns ? (double)(call->began_ns - zero_ns) : 0;
}

/* "ENOTTY"; NULL: it did not fail, or not with anything that has a name. */
static const char *error_name(const struct gw_trace_call *call)
{
	return call->result < 0 ? strerrorname_np(-call->result) : NULL;
}

static void put_field(FILE *out, const struct gw_trace_field *field)
{
	fprintf(out, "%s=", field->name);
	if (field->kind == GW_TRACE_TEXT)
		fputs(field->text, out);
	else if (field->kind == GW_TRACE_HEX)
		fprintf(out, "%#" PRIx64, field->number);
	else
		fprintf(out, "%" PRIu64, field->number);
}

static void put_fields(FILE *out, const struct gw_trace_field *fields, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		fputs(i ? ", " : "", out);
		put_field(out, &fields[i]);
	}
}

static void put_call(FILE *out, const struct gw_trace_call *call)
{
	fprintf(out, "%s %s(", call->kind, call->name);
	put_fields(out, call->arguments, call->nr_arguments);
	if (error_name(call))
		fprintf(out, ") = -%s", error_name(call));
	else
		fprintf(out, ") = %d", call->result);
	if (call->nr_answers) {
		fputs(" {", out);
		put_fields(out, call->answers, call->nr_answers);
		fputc('}', out);
	}
	fprintf(out, " <%.6f>", (double)call->took_ns / NS_PER_S);
}

char *trace_line_text(const struct gw_trace_call *call, uint64_t zero_ns)
{
	char *line = NULL;
	size_t size;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return NULL;
	fprintf(out, "%12.6f  %s  ", since(call, zero_ns) / NS_PER_S, call->device);
	if (!strcmp(call->kind, TRACE_NOTE))
		fprintf(out, "# %s", call->name);
	else
		put_call(out, call);
	fputc('\n', out);
	if (fclose(out)) {
		free(line);
		return NULL;
	}
	return line;
}

/* What JSON's integers do not hold everywhere, and what is read in hex anyway, is a text. */
static json_t *field_value(const struct gw_trace_field *field)
{
	char hex[24];

	if (field->kind == GW_TRACE_TEXT)
		return json_string(field->text);
	if (field->kind == GW_TRACE_NUMBER && field->number <= INT64_MAX)
		return json_integer((json_int_t)field->number);
	snprintf(hex, sizeof(hex), "%#" PRIx64, field->number);
	return json_string(hex);
}

static json_t *fields_object(const struct gw_trace_field *fields, uint32_t nr)
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < nr; i++)
		json_object_set_new(object, fields[i].name, field_value(&fields[i]));
	return object;
}

static json_t *call_object(const struct gw_trace_call *call, uint64_t zero_ns)
{
	json_t *object = json_pack("{s:f, s:s, s:s, s:s}", "at_ms", since(call, zero_ns) / NS_PER_MS, "device",
				   call->device, "kind", call->kind, "name", call->name);

	if (!strcmp(call->kind, TRACE_NOTE))
		return object;
	json_object_set_new(object, "took_us", json_real((double)call->took_ns / NS_PER_US));
	json_object_set_new(object, "arguments", fields_object(call->arguments, call->nr_arguments));
	json_object_set_new(object, "result", json_integer(call->result));
	if (error_name(call))
		json_object_set_new(object, "error", json_string(error_name(call)));
	json_object_set_new(object, "answers", fields_object(call->answers, call->nr_answers));
	return object;
}

char *trace_line_json(const struct gw_trace_call *call, uint64_t zero_ns)
{
	json_t *object = call_object(call, zero_ns);
	char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12)), *line = NULL;

	if (text && asprintf(&line, "%s\n", text) < 0)
		line = NULL;
	free(text);
	json_decref(object);
	return line;
}
