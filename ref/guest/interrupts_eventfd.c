/* SPDX-License-Identifier: BSD-3-Clause */
/* Where interrupts come from in a guest of threads: an eventfd for each vector. */
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
		interrupts->sources[interrupts->nr] = fd;
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
		ret = gw_device_irq_set(dev, GW_IRQ_MSIX, 0, nr, interrupts->sources, &cause);
	if (ret) {
		interrupts_close(interrupts);
		return gw_error_set(e, ret, gw_device_id(dev), "its interrupts could not be bound: %s",
				    cause.code ? cause.what : strerror(-ret));
	}
	return 0;
}

int interrupts_open_line(struct interrupts *interrupts, struct gw_device *dev, struct gw_error *e)
{
	*interrupts = (struct interrupts){ .nr = 0 };
	return 0;
}

void interrupts_close(struct interrupts *interrupts)
{
	while (interrupts->nr)
		close(interrupts->sources[--interrupts->nr]);
}

void interrupts_collect(struct interrupts *interrupts)
{
	for (uint32_t i = 0; i < interrupts->nr; i++) {
		eventfd_t count;

		if (!eventfd_read(interrupts->sources[i], &count))
			interrupts->pending[i] += count;
	}
}
