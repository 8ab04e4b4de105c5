/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest has to say, by the debug port. */
#ifndef REF_GUEST_BARE_SAY_H
#define REF_GUEST_BARE_SAY_H

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
