/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the guest has found wrong: a count, and the first finding as a sentence. It is the guest's own knowledge
 * and moves with it. Written by vCPUs, read by the control socket; errors are rare, so one lock does. It spins, as it
 * can for vCPUs that are threads and for those that have nothing below them.
 */
#ifndef REF_GUEST_INTEGRITY_H
#define REF_GUEST_INTEGRITY_H

#include "ref/base/blob.h"

#include <stdatomic.h>

#define INTEGRITY_TEXT_BYTES 256

struct integrity {
	atomic_uint taken;
	uint64_t errors;
	char first_error[INTEGRITY_TEXT_BYTES];
};

void integrity_init(struct integrity *integrity);

void integrity_fail(struct integrity *integrity, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns the count; first_error may be NULL, else gets INTEGRITY_TEXT_BYTES at most. */
uint64_t integrity_get(struct integrity *integrity, char *first_error);

void integrity_save(struct integrity *integrity, struct blob_out *out);
void integrity_load(struct integrity *integrity, struct blob_in *in);

#endif
