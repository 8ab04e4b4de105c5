/* SPDX-License-Identifier: BSD-3-Clause */
/* A traced call as one text, to be compared: "kind name(argument=value ...) = result {answer=value ...}". */
#ifndef TEST_TRACE_TEXT_H
#define TEST_TRACE_TEXT_H

#include <godwit/trace.h>
#include <stdio.h>
#include <string.h>

#define TRACE_TEXT_BYTES 4096

static inline void trace_text_fields(char *text, const struct gw_trace_field *fields, uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		const struct gw_trace_field *field = &fields[i];
		char *at = text + strlen(text);
		size_t left = TRACE_TEXT_BYTES - strlen(text);

		if (field->kind == GW_TRACE_TEXT)
			snprintf(at, left, "%s%s=%s", i ? " " : "", field->name, field->text);
		else
			snprintf(at, left, field->kind == GW_TRACE_HEX ? "%s%s=%#llx" : "%s%s=%llu", i ? " " : "",
				 field->name, (unsigned long long)field->number);
	}
}

static inline void trace_text(char text[TRACE_TEXT_BYTES], const struct gw_trace_call *call)
{
	snprintf(text, TRACE_TEXT_BYTES, "%s %s(", call->kind, call->name);
	trace_text_fields(text, call->arguments, call->nr_arguments);
	snprintf(text + strlen(text), TRACE_TEXT_BYTES - strlen(text), ") = %d {", call->result);
	trace_text_fields(text, call->answers, call->nr_answers);
	snprintf(text + strlen(text), TRACE_TEXT_BYTES - strlen(text), "}");
}

#endif
