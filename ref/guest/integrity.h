/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the guest has found wrong: a count, and the first finding as a sentence. It is the guest's own knowledge
 * and moves with it. Written by vCPU threads, read by the control socket; errors are rare, so one lock does.
 */
#ifndef REF_GUEST_INTEGRITY_H
#define REF_GUEST_INTEGRITY_H

#include "ref/vm/blob.h"

#include <pthread.h>

#define INTEGRITY_TEXT_BYTES 256

struct integrity {
	pthread_mutex_t lock;
	uint64_t errors;
	char first_error[INTEGRITY_TEXT_BYTES];
};

void integrity_init(struct integrity *integrity);
void integrity_fini(struct integrity *integrity);

void integrity_fail(struct integrity *integrity, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Returns the count; first_error may be NULL, else gets INTEGRITY_TEXT_BYTES at most. */
uint64_t integrity_get(struct integrity *integrity, char *first_error);

void integrity_save(struct integrity *integrity, struct blob_out *out);
void integrity_load(struct integrity *integrity, struct blob_in *in);

#endif
