/* SPDX-License-Identifier: BSD-3-Clause */
/* Sets of registers, from and to KVM, from and to bytes. */
#include "ref/kvm/register_set.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

int register_set_read(const struct register_set *set, int fd, void *holder, const char *where, struct gw_error *e)
{
	if (!ioctl(fd, set->get, (uint8_t *)holder + set->offset))
		return 0;
	return gw_error_set(e, -errno, where, "KVM_GET_%s: %s", set->name, strerror(errno));
}

int register_set_write(const struct register_set *set, int fd, const void *holder, const char *where,
		       struct gw_error *e)
{
	if (!ioctl(fd, set->set, (const uint8_t *)holder + set->offset))
		return 0;
	return gw_error_set(e, -errno, where, "KVM_SET_%s: %s", set->name, strerror(errno));
}

static uint32_t get_word(const struct register_set *set, const void *holder, uint32_t nr)
{
	uint32_t word;

	memcpy(&word, (const uint8_t *)holder + set->offset + nr * sizeof(word), sizeof(word));
	return word;
}

void register_set_encode(const struct register_set *set, const void *holder, struct blob_out *out)
{
	uint32_t nr = set->size_bytes / sizeof(uint32_t);

	while (nr && !get_word(set, holder, nr - 1))
		nr--;
	blob_put_u32(out, nr);
	for (uint32_t i = 0; i < nr; i++)
		blob_put_u32(out, get_word(set, holder, i));
}

void register_set_decode(const struct register_set *set, void *holder, struct blob_in *in)
{
	uint8_t *at = (uint8_t *)holder + set->offset;
	uint32_t nr = blob_get_u32(in);

	memset(at, 0, set->size_bytes);
	if (nr > set->size_bytes / sizeof(uint32_t)) {
		in->bad = 1;
		return;
	}
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t word = blob_get_u32(in);

		memcpy(at + i * sizeof(word), &word, sizeof(word));
	}
}
