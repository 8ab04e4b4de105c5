/* SPDX-License-Identifier: BSD-3-Clause */
/* Filling godwit's error record: the first failure wins, a NULL record is fine. */
#ifndef REF_VM_ERROR_H
#define REF_VM_ERROR_H

#include <godwit/error.h>

/* Returns code, so that the place that knows what failed can say it and return in one line. */
int vm_error_set(struct gw_error *e, int code, const char *where, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
