/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * MSI-X vectors over eventfds. The fds come from the client, so nothing here may block on one, or be killed by
 * one: only an eventfd is taken, and it is asked whether it can be written first.
 */
#include "ref/device/irq.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void ref_irqs_init(struct irqs *irqs)
{
	for (uint32_t v = 0; v < REFDEV_NR_VECTORS; v++)
		irqs->fds[v] = -1;
	irqs->pending = 0;
}

void ref_irqs_reset(struct irqs *irqs)
{
	irqs->pending = 0;
}

void ref_irqs_fini(struct irqs *irqs)
{
	for (uint32_t v = 0; v < REFDEV_NR_VECTORS; v++)
		ref_irq_bind(irqs, v, -1);
}

/* A pipe or a socket in the place of an eventfd could raise SIGPIPE. */
static bool is_eventfd(int fd)
{
	static const char name[] = "anon_inode:[eventfd]";
	char path[64], target[64];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, target, sizeof(target));
	return length == (ssize_t)strlen(name) && !memcmp(target, name, strlen(name));
}

int ref_irq_bind(struct irqs *irqs, uint32_t vector, int fd)
{
	if (vector >= REFDEV_NR_VECTORS || (fd >= 0 && !is_eventfd(fd)))
		return -EINVAL;
	if (irqs->fds[vector] >= 0)
		close(irqs->fds[vector]);
	irqs->fds[vector] = fd;
	return 0;
}

void ref_irq_raise(struct irqs *irqs, uint32_t vector)
{
	irqs->pending |= 1u << vector;
}

/* An eventfd that cannot take one more is signalled already, 2^64 - 2 times. */
static void signal_fd(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };
	uint64_t one = 1;

	if (poll(&pfd, 1, 0) == 1 && pfd.revents & POLLOUT)
		while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

void ref_irqs_deliver(struct irqs *irqs)
{
	for (uint32_t v = 0; v < REFDEV_NR_VECTORS; v++) {
		if (!(irqs->pending & 1u << v) || irqs->fds[v] < 0)
			continue;
		signal_fd(irqs->fds[v]);
		irqs->pending &= ~(1u << v);
	}
}
