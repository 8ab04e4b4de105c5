/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The dirty log "userfaultfd (sync)": whoever writes a protected page waits in the fault until a thread of the log
 * has marked the page as written and lifted its protection.
 *
 * No write is lost: the thread marks and lifts, and sync takes the marks and protects again, each under one lock. So
 * whenever the lock is free, a page is unprotected only if it is marked. A write before sync protects the page is
 * in the page when the caller reads it after the sync (the ioctl flushes the processors' translations before it
 * returns), and the page is among those taken; a write after it faults and is marked for the next sync. Without
 * the lock, the thread could lift the protection that a sync has just set, for a mark that the sync has just taken.
 *
 * The thread touches no guest RAM, so it never waits for itself.
 */
#include "base/bitmap.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/thread.h"
#include "memory/track_process.h"
#include "memory/uapi.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define NR_MESSAGES 32

#define MAX_HOST_PAGE_BYTES (1 * GIB)

/*
 * A write to the page at this offset waits. If its protection cannot be lifted, the guest goes on without any: it
 * must not hang for its log.
 */
static void resolve(struct gw_process_log *log, uint32_t block, uint64_t offset)
{
	struct track_sync *sync = &log->sync;
	uint64_t page_bytes = sync->page_bytes[block];
	uint8_t *hva = log->ram.blocks[block].hva;
	int ret;

	offset -= offset % page_bytes;
	pthread_mutex_lock(&sync->lock);
	bitmap_set_range(sync->written[block], offset / GW_PAGE_BYTES, page_bytes / GW_PAGE_BYTES);
	ret = uffd_unprotect(&log->uffd, hva + offset, page_bytes);
	if (ret && !sync->error)
		sync->error = ret;
	if (ret)
		uffd_unregister(&log->uffd, hva, log->ram.blocks[block].size_bytes);
	pthread_mutex_unlock(&sync->lock);
}

static void resolve_address(struct gw_process_log *log, uint64_t address)
{
	for (uint32_t i = 0; i < log->ram.nr_blocks; i++) {
		uint64_t offset = address - (uintptr_t)log->ram.blocks[i].hva;

		if (offset < log->ram.blocks[i].size_bytes)
			resolve(log, i, offset);
	}
}

static void *resolve_faults(void *arg)
{
	struct gw_process_log *log = arg;
	struct pollfd fds[2] = { { .fd = log->uffd.fd, .events = POLLIN }, { .fd = log->sync.stop, .events = POLLIN } };
	struct uffd_msg messages[NR_MESSAGES];

	while (!fds[1].revents) {
		ssize_t got = read(log->uffd.fd, messages, sizeof(messages));

		for (ssize_t i = 0; i < got / (ssize_t)sizeof(messages[0]); i++)
			if (messages[i].event == UFFD_EVENT_PAGEFAULT)
				resolve_address(log, messages[i].arg.pagefault.address);
		if (got < 0)
			poll(fds, 2, -1);
	}
	return NULL;
}

/*
 * Before Linux 6.4 (WP_UNPOPULATED) a private page that is not there cannot be protected, and its first write would
 * not be seen: so let every page be there, if only as the shared zero page.
 */
static int populate_read(const struct ram *ram, struct gw_error *e)
{
	for (uint32_t i = 0; i < ram->nr_blocks; i++) {
		const struct gw_ram_block *block = &ram->blocks[i];

		if (madvise(block->hva, block->size_bytes, MADV_POPULATE_READ))
			return err_set(e, -errno, "ram", "RAM block %s cannot be mapped in full: %s", block->id,
				       strerror(errno));
	}
	return 0;
}

/* Asks the kernel: lifting a protection that is not there is refused only if the piece is too small. */
static int find_page_bytes(struct gw_process_log *log, uint32_t block, struct gw_error *e)
{
	const struct gw_ram_block *at = &log->ram.blocks[block];
	uint64_t size_bytes = max_u64((uint64_t)sysconf(_SC_PAGESIZE), GW_PAGE_BYTES);
	int ret = -EINVAL;

	for (; ret == -EINVAL && size_bytes <= min_u64(at->size_bytes, MAX_HOST_PAGE_BYTES); size_bytes *= 2) {
		log->sync.page_bytes[block] = size_bytes;
		ret = uffd_unprotect(&log->uffd, at->hva, size_bytes);
	}
	if (ret)
		return err_set(e, ret, "ram", "RAM block %s cannot be write-protected: %s", at->id, strerror(-ret));
	return 0;
}

static int arm(struct gw_process_log *log, struct gw_error *e)
{
	uint64_t wanted = UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_WP_UNPOPULATED;
	int ret = uffd_open(&log->uffd, UFFD_FEATURE_PAGEFAULT_FLAG_WP, wanted & ~log->features_hidden, e);

	if (!ret)
		ret = uffd_register(&log->uffd, &log->ram, e);
	for (uint32_t i = 0; i < log->ram.nr_blocks && !ret; i++)
		ret = find_page_bytes(log, i, e);
	return ret;
}

static int probe(struct gw_process_log *log, struct gw_error *e)
{
	int ret = arm(log, e);

	if (!ret && log->uffd.user_mode_only)
		log->ops = &track_sync_user_ops;
	uffd_close(&log->uffd);
	return ret;
}

static int start_thread(struct gw_process_log *log)
{
	int ret;

	log->sync.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (log->sync.stop < 0)
		return -errno;
	ret = thread_start(&log->sync.thread, "gw-dirty-log", resolve_faults, log);
	if (ret)
		fd_close(&log->sync.stop);
	return ret;
}

static int start(struct gw_process_log *log, struct gw_error *e)
{
	int ret;

	log->sync.error = 0;
	for (uint32_t i = 0; i < log->ram.nr_blocks; i++) {
		log->sync.written[i] = bitmap_new(ram_block_pages(&log->ram, i));
		if (!log->sync.written[i])
			return err_set(e, -ENOMEM, "ram", "no memory for the dirty log");
	}
	ret = arm(log, e);
	if (!ret && !(log->uffd.features & UFFD_FEATURE_WP_UNPOPULATED))
		ret = populate_read(&log->ram, e);
	if (!ret) {
		ret = start_thread(log); /* before the first page is protected */
		if (ret)
			err_set(e, ret, "ram", "no thread for the dirty log: %s", strerror(-ret));
	}
	return ret ? ret : uffd_protect_all(&log->uffd, &log->ram, e);
}

static void stop(struct gw_process_log *log)
{
	/* First let everybody go on who waits or might wait, then end the thread that they wait for. */
	if (log->uffd.fd >= 0)
		for (uint32_t i = 0; i < log->ram.nr_blocks; i++)
			uffd_unregister(&log->uffd, log->ram.blocks[i].hva, log->ram.blocks[i].size_bytes);
	if (log->sync.stop >= 0) {
		eventfd_write(log->sync.stop, 1);
		pthread_join(log->sync.thread, NULL);
	}
	fd_close(&log->sync.stop);
	uffd_close(&log->uffd);
	for (uint32_t i = 0; i < log->ram.nr_blocks; i++) {
		free(log->sync.written[i]);
		log->sync.written[i] = NULL;
	}
}

/* With the lock held: protects the pages marked in [from, to), takes their marks. */
static int take_pages(struct gw_process_log *log, uint32_t block, uint64_t from, uint64_t to, uint64_t *bitmap)
{
	uint64_t *written = log->sync.written[block];
	uint64_t first = bitmap_next_set(written, from, to);
	int ret = 0;

	while (first < to && !ret) {
		uint64_t end = bitmap_next_clear(written, first, to);

		bitmap_set_range(bitmap, first, end - first);
		ret = uffd_protect(&log->uffd, (uint8_t *)log->ram.blocks[block].hva + first * GW_PAGE_BYTES,
				   (end - first) * GW_PAGE_BYTES);
		for (uint64_t page = first; page < end && !ret; page++)
			bitmap_clear(written, page);
		first = bitmap_next_set(written, end, to);
	}
	return ret;
}

/* In pieces, so that nobody waits in a fault for the whole of it. */
static int take(struct gw_process_log *log, uint32_t block, uint64_t *bitmap, struct gw_error *e)
{
	uint64_t nr = ram_block_pages(&log->ram, block);
	uint64_t piece = max_u64(LIMIT_CHUNK_PAGES, log->sync.page_bytes[block] / GW_PAGE_BYTES);
	int ret = 0;

	for (uint64_t from = 0; from < nr && !ret; from += piece) {
		pthread_mutex_lock(&log->sync.lock);
		ret = log->sync.error;
		if (!ret)
			ret = take_pages(log, block, from, min_u64(nr, from + piece), bitmap);
		pthread_mutex_unlock(&log->sync.lock);
	}
	if (ret)
		return err_set(e, ret, "ram", "writes to RAM block %s could not be tracked any more: %s",
			       log->ram.blocks[block].id, strerror(-ret));
	return 0;
}

const struct track_ops track_sync_ops = {
	.name = "userfaultfd (sync)",
	.probe = probe,
	.start = start,
	.sync = take,
	.stop = stop,
};

const struct track_ops track_sync_user_ops = {
	.name = "userfaultfd (sync, user mode only)",
	.probe = probe,
	.start = start,
	.sync = take,
	.stop = stop,
};
