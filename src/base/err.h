/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Writing the error record (include/godwit/error.h). The place that knows the meaning calls err_set once; above
 * it only the code travels.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <godwit/error.h>

/*
 * Fills *e unless it already holds an error, and returns code, so that "return err_set(...)" is one line.
 * code is -errno; where is who failed, may be NULL or ""; e may be NULL.
 */
__attribute__((format(printf, 4, 5))) int err_set(struct gw_error *e, int code, const char *where, const char *fmt,
						  ...);

/* Copies from into *e unless *e already holds an error. */
void err_first(struct gw_error *e, const struct gw_error *from);

#endif
