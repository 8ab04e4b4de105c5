/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's interrupt vectors as the VM has them. */
#include "ref/guest/interrupts.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int open_eventfds(struct interrupts *interrupts, uint32_t nr)
{
	for (; interrupts->nr < nr; interrupts->nr++) {
		int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return -errno;
		interrupts->eventfds[interrupts->nr] = fd;
	}
	return 0;
}

int interrupts_open(struct interrupts *interrupts, struct gw_device *dev, uint32_t nr, struct gw_error *e)
{
	struct gw_error cause = GW_ERROR_NONE;
	int ret;

	*interrupts = (struct interrupts){ .nr = 0 };
	ret = open_eventfds(interrupts, nr);
	if (!ret)
		ret = gw_device_irq_set(dev, GW_IRQ_MSIX, 0, nr, interrupts->eventfds, &cause);
	if (ret) {
		interrupts_close(interrupts);
		return gw_error_set(e, ret, gw_device_id(dev), "its interrupts could not be bound: %s",
				    cause.code ? cause.what : strerror(-ret));
	}
	return 0;
}

void interrupts_close(struct interrupts *interrupts)
{
	while (interrupts->nr)
		close(interrupts->eventfds[--interrupts->nr]);
}

void interrupts_collect(struct interrupts *interrupts)
{
	for (uint32_t i = 0; i < interrupts->nr; i++) {
		eventfd_t count;

		if (!eventfd_read(interrupts->eventfds[i], &count))
			interrupts->pending[i] += count;
	}
}

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
