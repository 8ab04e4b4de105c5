/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The error record: what failed, where and why. Every call that can fail for a reason a person should read
 * takes one. The first failure wins: a record that already holds an error is not overwritten, so the cause
 * survives the clean-up that follows it. A NULL record is allowed everywhere.
 */
#ifndef GODWIT_ERROR_H
#define GODWIT_ERROR_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_ERROR_WHERE_BYTES 64
#define GW_ERROR_WHAT_BYTES  384

/*
 * code: 0 (no error) or -errno. One meaning a code: EBADMSG malformed bytes, EPROTO right bytes at the wrong
 * time, EPROTONOSUPPORT no common version, ECANCELED asked to stop, ETIMEDOUT deadline passed, EPIPE peer gone,
 * EIO device failed, ENODEV device in ERROR, ENOTSUP a blocker; others as errno(3) has them.
 */
struct gw_error {
	int32_t code;
	char where[GW_ERROR_WHERE_BYTES]; /* a device id, "channel 2", "peer", "guest"; may be empty */
	char what[GW_ERROR_WHAT_BYTES];   /* one sentence, without a newline */
};

#define GW_ERROR_NONE     \
	{                 \
		0, { 0 }, \
		{         \
			0 \
		}         \
	}

/*
 * For who writes callbacks: fills *e unless it holds an error already or is NULL, cut to its room, and returns code, so
 * that the place that knows what failed can say it and return in one line. where may be NULL.
 */
int gw_error_set(struct gw_error *e, int code, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#ifdef __cplusplus
}
#endif
#endif
