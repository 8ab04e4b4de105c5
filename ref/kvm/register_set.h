/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A set of registers that KVM gives and takes with one pair of ioctls: a row of a table, so that what is state, and in
 * which order it is set, reads as a list. As bytes a set is the words of KVM's struct, without the zeros at its end.
 */
#ifndef REF_KVM_REGISTER_SET_H
#define REF_KVM_REGISTER_SET_H

#include "ref/base/blob.h"

#include <godwit/error.h>
#include <stddef.h>

struct register_set {
	const char *name; /* of the ioctls, without KVM_GET_ and KVM_SET_ */
	unsigned long get, set;
	uint32_t offset, size_bytes; /* in the struct that holds it; whole words */
};

#define REGISTER_SET(name, holder, field)                                              \
	{                                                                              \
#name, KVM_GET_##name, KVM_SET_##name, offsetof(struct holder, field), \
			sizeof(((struct holder *)0)->field)                            \
	}

/* fd: of the vCPU or VM; where: which, for the error. */
int register_set_read(const struct register_set *set, int fd, void *holder, const char *where, struct gw_error *e);
int register_set_write(const struct register_set *set, int fd, const void *holder, const char *where,
		       struct gw_error *e);

/* decode: more words than the set has are bad. */
void register_set_encode(const struct register_set *set, const void *holder, struct blob_out *out);
void register_set_decode(const struct register_set *set, void *holder, struct blob_in *in);

#endif
