/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What lies under an arbiter's directory, made to fail. linkat, fsync, open, openat, nanosleep and CLOCK_MONOTONIC of a
 * program that has this are its own: a reply can be lost, a process die between two steps, and waiting takes no time.
 */
#ifndef TEST_ARBITER_STORAGE_H
#define TEST_ARBITER_STORAGE_H

#include <stdbool.h>
#include <stdint.h>

#define STORAGE_DIED 42 /* the exit code of a process that did */

extern struct storage {
	unsigned nr_links_spared; /* so many go well before the following three begin */
	bool link_skipped;        /* the request is lost, not the reply */
	int link_error;           /* 0: as it came */
	bool link_dies;
	int dir_sync_error;
	bool no_sync;
	unsigned nr_dir_syncs;
	bool is_durable; /* no link was made since the directory was synced */

	/* As an NFS client: a name that was not there stays so, until the directory is opened anew. */
	bool remembers_missing;
	char missing[80];

	uint64_t slept_ns, longest_sleep_ns;
	unsigned nr_sleeps;
	void (*on_sleep)(void *ctx); /* NULL: nothing happens then */
	void *ctx;
} storage;

#endif
