/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A userfaultfd for write protection (ioctl_userfaultfd(2)): opening it in the best way this process may, and the
 * ioctls on ranges as functions that return -errno. Closing it ends all it did: nothing is protected or
 * registered any more, and whoever waited in a fault goes on.
 */
#ifndef MEMORY_UFFD_H
#define MEMORY_UFFD_H

#include "memory/ram.h"

#include <stdbool.h>
#include <stdint.h>

struct uffd {
	int fd; /* -1: none; non-blocking */
	uint64_t features;
	/*
	 * Only faults of user code can be waited for: where the fault is not resolved by the kernel itself (WP_ASYNC),
	 * a system call that writes into protected memory fails with EFAULT.
	 */
	bool user_mode_only;
};

/* -EOPNOTSUPP: a feature of required is missing; optional ones are taken if there. */
int uffd_open(struct uffd *uffd, uint64_t required, uint64_t optional, struct gw_error *e);
void uffd_close(struct uffd *uffd); /* also twice */

/* All blocks, for write protection; nothing is protected yet. A sentence names the block that could not be. */
int uffd_register(const struct uffd *uffd, const struct ram *ram, struct gw_error *e);
/*
 * The same of the start of each block: to see whether it can be done. When a registration ends, the kernel leaves what
 * was registered mapped read-only, and the next write to each page costs a fault.
 */
int uffd_register_some(const struct uffd *uffd, const struct ram *ram, struct gw_error *e);
void uffd_unregister(const struct uffd *uffd, void *hva, uint64_t size_bytes);

/* Every page of every block. */
int uffd_protect_all(const struct uffd *uffd, const struct ram *ram, struct gw_error *e);

/* hva and size_bytes are multiples of the host's page. unprotect wakes whoever waits in a fault there. */
int uffd_protect(const struct uffd *uffd, void *hva, uint64_t size_bytes);
int uffd_unprotect(const struct uffd *uffd, void *hva, uint64_t size_bytes);

#endif
