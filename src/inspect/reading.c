/* SPDX-License-Identifier: BSD-3-Clause */
/* Sentences about a file that is being read: the offset first, then what is there. */
#include "inspect/reading.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void reading_begins(struct reading *r, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(r->doing, sizeof(r->doing), fmt, args);
	va_end(args);
}

__attribute__((format(printf, 4, 0))) static int trouble(struct reading *r, int code, uint64_t at, const char *fmt,
							 va_list args)
{
	char what[GW_ERROR_WHAT_BYTES];

	vsnprintf(what, sizeof(what), fmt, args);
	if (!r->file->trouble.code)
		r->file->trouble_at = at;
	return err_set(&r->file->trouble, code, r->file->name, "offset %" PRIu64 ": %s", at, what);
}

int reading_damaged(struct reading *r, uint64_t at, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = trouble(r, -EBADMSG, at, fmt, args);
	va_end(args);
	return ret;
}

int reading_unknown(struct reading *r, uint64_t at, const char *fmt, ...)
{
	va_list args;
	int ret;

	va_start(args, fmt);
	ret = trouble(r, -EPROTONOSUPPORT, at, fmt, args);
	va_end(args);
	return ret;
}

int reading_check(struct reading *r)
{
	struct input *in = r->in;

	if (in->error)
		return in->error;
	if (!in->cut)
		return 0;
	return reading_damaged(r, in->offset + (in->fill - in->at), "the file ends in the middle of %s", r->doing);
}

int reading_no_room(struct reading *r, const char *what, unsigned int bound)
{
	return reading_damaged(r, r->in->offset, "more than %u %s, or no memory for them", bound, what);
}
