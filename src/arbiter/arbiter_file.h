/* SPDX-License-Identifier: BSD-3-Clause */
/* "file:DIR": an arbiter made of a directory that both hosts see. Any thread, as <godwit/arbiter.h> says. */
#ifndef ARBITER_ARBITER_FILE_H
#define ARBITER_ARBITER_FILE_H

#include <godwit/arbiter.h>

extern const struct gw_arbiter_ops arbiter_file_ops;

/* *ctx is for arbiter_file_ops and ended by its close. dir is copied; it need not be there yet. */
int arbiter_file_open(void **ctx, const char *dir, struct gw_error *e);

#endif
