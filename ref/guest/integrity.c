/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest has found wrong. */
#include "ref/guest/integrity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void integrity_init(struct integrity *integrity)
{
	*integrity = (struct integrity){ .errors = 0 };
	pthread_mutex_init(&integrity->lock, NULL);
}

void integrity_fini(struct integrity *integrity)
{
	pthread_mutex_destroy(&integrity->lock);
}

void integrity_fail(struct integrity *integrity, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	pthread_mutex_lock(&integrity->lock);
	if (!integrity->errors++)
		vsnprintf(integrity->first_error, sizeof(integrity->first_error), format, args);
	pthread_mutex_unlock(&integrity->lock);
	va_end(args);
}

uint64_t integrity_get(struct integrity *integrity, char *first_error)
{
	uint64_t errors;

	pthread_mutex_lock(&integrity->lock);
	errors = integrity->errors;
	if (first_error)
		memcpy(first_error, integrity->first_error, sizeof(integrity->first_error));
	pthread_mutex_unlock(&integrity->lock);
	return errors;
}

void integrity_save(struct integrity *integrity, struct blob_out *out)
{
	char first_error[INTEGRITY_TEXT_BYTES];

	blob_put_u64(out, integrity_get(integrity, first_error));
	blob_put_text(out, first_error);
}

void integrity_load(struct integrity *integrity, struct blob_in *in)
{
	pthread_mutex_lock(&integrity->lock);
	integrity->errors = blob_get_u64(in);
	blob_get_text(in, integrity->first_error, sizeof(integrity->first_error));
	pthread_mutex_unlock(&integrity->lock);
}
