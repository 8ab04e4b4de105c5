/* SPDX-License-Identifier: BSD-3-Clause */
/* errno values by name, for reports: what a C library offers for this is not in every one. */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW(code)           \
	{                   \
		code, #code \
	}

const char *errno_name(int code)
{
	static const struct {
		int code;
		const char *name;
	} names[] = {
		ROW(E2BIG),     ROW(EACCES),          ROW(EAGAIN),       ROW(EBADF),      ROW(EBADMSG),
		ROW(EBUSY),     ROW(ECANCELED),       ROW(ECONNREFUSED), ROW(ECONNRESET), ROW(EEXIST),
		ROW(EFAULT),    ROW(EFBIG),           ROW(EINTR),        ROW(EINVAL),     ROW(EIO),
		ROW(EISCONN),   ROW(EMSGSIZE),        ROW(ENODATA),      ROW(ENODEV),     ROW(ENOENT),
		ROW(ENOMEM),    ROW(ENOMSG),          ROW(ENOSPC),       ROW(ENOSYS),     ROW(ENOTCONN),
		ROW(ENOTTY),    ROW(ENXIO),           ROW(EOPNOTSUPP),   ROW(EOVERFLOW),  ROW(EPERM),
		ROW(EPIPE),     ROW(EPROTO),          ROW(ERANGE),       ROW(ESPIPE),     ROW(ESTALE),
		ROW(ETIMEDOUT), ROW(EPROTONOSUPPORT),
	};
	static _Thread_local char unnamed[24];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].code == abs(code))
			return names[i].name;
	snprintf(unnamed, sizeof(unnamed), "errno %d", abs(code));
	return unnamed;
}

bool errno_is_gone(int code)
{
	return abs(code) == EPIPE || abs(code) == ETIMEDOUT || abs(code) == ECONNRESET;
}

/* A driver may say ETIMEDOUT and mean its hardware. */
bool trial_is_gone(const struct gw_device *dev, int code)
{
	return errno_is_gone(code) && !gw_raw_has_data_fd(dev);
}
