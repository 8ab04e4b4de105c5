/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's interrupt vectors: what is the same on every platform. */
#include "ref/guest/interrupts.h"

#include <errno.h>

uint64_t interrupts_take(struct interrupts *interrupts, uint32_t vector)
{
	uint64_t count = interrupts->pending[vector];

	interrupts->pending[vector] = 0;
	return count;
}

void interrupts_save(struct interrupts *interrupts, struct blob_out *out)
{
	interrupts_collect(interrupts);
	blob_put_u32(out, interrupts->nr);
	for (uint32_t i = 0; i < interrupts->nr; i++)
		blob_put_u64(out, interrupts->pending[i]);
}

int interrupts_load(struct interrupts *interrupts, struct blob_in *in)
{
	if (blob_get_u32(in) != interrupts->nr)
		return -EBADMSG;
	for (uint32_t i = 0; i < interrupts->nr; i++)
		interrupts->pending[i] = blob_get_u64(in);
	return in->bad ? -EBADMSG : 0;
}
