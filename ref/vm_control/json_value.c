/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers and errors as JSON. */
#include "ref/vm_control/json_value.h"

#include <stdio.h>
#include <string.h>

void json_value_count(json_t *object, const char *key, uint64_t count)
{
	json_object_set_new(object, key, json_integer((json_int_t)count));
}

void json_value_ms(json_t *object, const char *key, uint64_t ns)
{
	json_object_set_new(object, key, json_real((double)((ns + 500) / 1000) / 1000.0));
}

void json_value_ms_or_null(json_t *object, const char *key, uint64_t ns)
{
	if (ns == UINT64_MAX)
		json_object_set_new(object, key, json_null());
	else
		json_value_ms(object, key, ns);
}

void json_value_known_count(json_t *object, const char *key, uint64_t count)
{
	if (count)
		json_value_count(object, key, count);
}

void json_value_known_ms(json_t *object, const char *key, uint64_t ns)
{
	if (ns)
		json_value_ms(object, key, ns);
}

json_t *json_value_error(const struct gw_error *error)
{
	const char *name = strerrorname_np(error->code < 0 ? -error->code : error->code);
	char number[16];
	json_t *object = json_object();

	snprintf(number, sizeof(number), "%d", error->code);
	json_object_set_new(object, "code", json_string(name ? name : number));
	if (error->where[0])
		json_object_set_new(object, "where", json_string(error->where));
	json_object_set_new(object, "what", json_string(error->what[0] ? error->what : strerror(-error->code)));
	return object;
}
