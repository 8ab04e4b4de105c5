/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's state, saved to be loaded again: in a file without a name in TMPDIR (else /var/tmp), so that a large
 * one is not held in memory, and nothing is left behind however the process ends. Reading is from any thread.
 */
#ifndef TOOL_BENCH_SPOOL_H
#define TOOL_BENCH_SPOOL_H

#include <godwit/error.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct spool {
	int fd; /* -1: none */
	uint64_t size_bytes;
	uint64_t limit_bytes; /* more is an error: a device whose state never ends must not fill the disk */
};

/* Empty, without a file: fine to be closed. */
#define SPOOL_NONE                        \
	(struct spool)                    \
	{                                 \
		.fd = -1, .size_bytes = 0 \
	}

int spool_open(struct spool *spool, uint64_t limit_bytes, struct gw_error *e);
int spool_append(struct spool *spool, const void *bytes, size_t size_bytes, struct gw_error *e);
/* Bytes read at an offset, 0 at the end, -errno. */
ssize_t spool_read(const struct spool *spool, uint64_t offset, void *bytes, size_t size_bytes, struct gw_error *e);
void spool_close(struct spool *spool);

#endif
