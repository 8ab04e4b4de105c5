/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest has found wrong. */
#include "ref/guest/integrity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void integrity_init(struct integrity *integrity)
{
	*integrity = (struct integrity){ .errors = 0 };
}

static void take(struct integrity *integrity)
{
	while (atomic_exchange_explicit(&integrity->taken, 1, memory_order_acquire))
		;
}

static void give(struct integrity *integrity)
{
	atomic_store_explicit(&integrity->taken, 0, memory_order_release);
}

void integrity_fail(struct integrity *integrity, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	take(integrity);
	if (!integrity->errors++)
		vsnprintf(integrity->first_error, sizeof(integrity->first_error), format, args);
	give(integrity);
	va_end(args);
}

uint64_t integrity_get(struct integrity *integrity, char *first_error)
{
	uint64_t errors;

	take(integrity);
	errors = integrity->errors;
	if (first_error)
		memcpy(first_error, integrity->first_error, sizeof(integrity->first_error));
	give(integrity);
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
	take(integrity);
	integrity->errors = blob_get_u64(in);
	blob_get_text(in, integrity->first_error, sizeof(integrity->first_error));
	give(integrity);
}
