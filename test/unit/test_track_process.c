/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process's dirty log, on the kernel that is there: several threads write, pages that a sync reports are copied
 * to a shadow, and in the end the shadow must be the memory. For every mode and kind of memory; what the kernel
 * cannot do here is skipped, and says so.
 */
#include "base/bitmap.h"
#include "memory/track_process.h"
#include "memory/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define NR_BLOCKS   2
#define BLOCK_BYTES (8 * MIB)
#define BLOCK_PAGES (BLOCK_BYTES / GW_PAGE_BYTES)
#define NR_WRITERS  4
#define NR_WRITES   6000

static uint8_t *map_private(void)
{
	return mmap(NULL, NR_BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static uint8_t *map_memfd(unsigned flags)
{
	int fd = memfd_create("ram", MFD_CLOEXEC | flags);
	void *hva = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, NR_BLOCKS * BLOCK_BYTES))
		hva = mmap(NULL, NR_BLOCKS * BLOCK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return hva;
}

static uint8_t *map_shared(void)
{
	return map_memfd(0);
}

static uint8_t *map_hugetlb(void)
{
	return map_memfd(MFD_HUGETLB);
}

static uint8_t *map_thp(void)
{
	uint8_t *hva = map_private();

	if (hva != MAP_FAILED)
		madvise(hva, NR_BLOCKS * BLOCK_BYTES, MADV_HUGEPAGE);
	return hva;
}

struct row {
	const char *name;
	uint8_t *(*map)(void);
	int mode;
	uint64_t hidden;
};

struct fixture {
	const struct row *row;
	struct gw_process_log *log;
	uint8_t *hva;
	uint8_t *shadow;
	uint64_t *bitmap;
	uint64_t reported;
	unsigned writers_left;
};

struct writer {
	pthread_t thread;
	struct fixture *f;
	unsigned seed;
};

/* As vCPUs do: no lock, no order. */
__attribute__((no_sanitize("thread"))) static void write_word(uint8_t *at, uint64_t value)
{
	*(volatile uint64_t *)at = value;
}

__attribute__((no_sanitize("thread"))) static void copy_page(uint8_t *to, const uint8_t *from)
{
	for (unsigned i = 0; i < GW_PAGE_BYTES; i += 8)
		*(volatile uint64_t *)(to + i) = *(const volatile uint64_t *)(from + i);
}

static void *write_at_random(void *arg)
{
	struct writer *w = arg;

	for (unsigned i = 0; i < NR_WRITES; i++) {
		uint64_t page = (uint64_t)rand_r(&w->seed) % (NR_BLOCKS * BLOCK_PAGES);
		unsigned word = (unsigned)rand_r(&w->seed) % 512;

		write_word(w->f->hva + page * GW_PAGE_BYTES + word * 8, (uint64_t)rand_r(&w->seed));
	}
	__atomic_fetch_sub(&w->f->writers_left, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* One sync of both blocks; what is reported is copied. */
static void sync_and_copy(struct fixture *f)
{
	f->reported = 0;
	for (uint32_t block = 0; block < NR_BLOCKS; block++) {
		struct gw_error e = GW_ERROR_NONE;
		uint64_t page = 0;

		memset(f->bitmap, 0, BLOCK_PAGES / 8);
		if (gw_process_log_sync(f->log, block, f->bitmap, &e))
			fail_msg("sync: %s", e.what);
		while ((page = bitmap_next_set(f->bitmap, page, BLOCK_PAGES)) < BLOCK_PAGES) {
			uint64_t offset = block * BLOCK_BYTES + page++ * GW_PAGE_BYTES;

			copy_page(f->shadow + offset, f->hva + offset);
			f->reported++;
		}
	}
}

static void fixture_close(struct fixture *f)
{
	gw_process_log_free(f->log);
	if (f->hva && f->hva != MAP_FAILED)
		munmap(f->hva, NR_BLOCKS * BLOCK_BYTES);
	free(f->shadow);
	free(f->bitmap);
}

/* Half of the memory is there, the other half is not yet: both must be tracked. */
static void fixture_open(struct fixture *f, const struct row *row)
{
	struct gw_ram_block blocks[NR_BLOCKS];
	struct gw_error e = GW_ERROR_NONE;
	int ret;

	*f = (struct fixture){ .row = row, .hva = row->map() };
	if (f->hva == MAP_FAILED || madvise(f->hva, 2 * MIB, MADV_POPULATE_WRITE)) {
		print_message("SKIP: %s: this host has no such memory: %s\n", row->name, strerror(errno));
		fixture_close(f);
		skip();
	}
	memset(f->hva, 0x11, BLOCK_BYTES);
	blocks[0] = (struct gw_ram_block){ "low", 0, BLOCK_BYTES, f->hva };
	blocks[1] = (struct gw_ram_block){ "high", 0x100000000, BLOCK_BYTES, f->hva + BLOCK_BYTES };
	ret = track_process_new(&f->log, blocks, NR_BLOCKS, row->mode, row->hidden, &e);
	if (ret == -EOPNOTSUPP || ret == -EPERM || ret == -ENOSYS || ret == -ENOTTY) {
		print_message("SKIP: %s: %s\n", row->name, e.what);
		fixture_close(f);
		skip();
	}
	if (ret)
		fail_msg("%s: %s", row->name, e.what);
	f->shadow = calloc(NR_BLOCKS, BLOCK_BYTES);
	f->bitmap = bitmap_new(BLOCK_PAGES);
	assert_non_null(f->shadow);
	assert_non_null(f->bitmap);
}

static void start_and_copy_all(struct fixture *f)
{
	struct gw_error e = GW_ERROR_NONE;

	if (gw_process_log_start(f->log, &e))
		fail_msg("%s: %s", f->row->name, e.what);
	for (uint64_t page = 0; page < NR_BLOCKS * BLOCK_PAGES; page++)
		copy_page(f->shadow + page * GW_PAGE_BYTES, f->hva + page * GW_PAGE_BYTES);
}

/* Writers run while syncs do; returns how many syncs there were. */
static unsigned write_and_sync(struct fixture *f, unsigned seed)
{
	struct writer writers[NR_WRITERS];
	unsigned nr_syncs = 0;

	f->writers_left = NR_WRITERS;
	for (unsigned i = 0; i < NR_WRITERS; i++) {
		writers[i] = (struct writer){ .f = f, .seed = seed + i };
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_at_random, &writers[i]), 0);
	}
	while (__atomic_load_n(&f->writers_left, __ATOMIC_SEQ_CST)) {
		sync_and_copy(f);
		nr_syncs++;
	}
	for (unsigned i = 0; i < NR_WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	sync_and_copy(f);
	return nr_syncs;
}

static void no_write_is_lost(void **state)
{
	struct fixture f;

	fixture_open(&f, *state);
	for (unsigned turn = 0; turn < 2; turn++) { /* started again: as good as new */
		unsigned nr_syncs;

		start_and_copy_all(&f);
		nr_syncs = write_and_sync(&f, turn * 100);
		if (memcmp(f.shadow, f.hva, NR_BLOCKS * BLOCK_BYTES))
			fail_msg("%s: a write was lost in %u syncs", f.row->name, nr_syncs);
		gw_process_log_stop(f.log);
		gw_process_log_stop(f.log);
	}
	fixture_close(&f);
}

static void what_is_not_written_is_not_reported(void **state)
{
	struct fixture f;

	fixture_open(&f, *state);
	start_and_copy_all(&f);
	sync_and_copy(&f);
	sync_and_copy(&f);
	assert_int_equal(f.reported, 0);
	write_word(f.hva + 3 * GW_PAGE_BYTES, 5);
	write_word(f.hva + 2 * BLOCK_BYTES - 8, 5);
	sync_and_copy(&f);
	assert_true(f.reported == 2 || (f.row->map == map_hugetlb && f.reported == 2 * 512));
	sync_and_copy(&f);
	assert_int_equal(f.reported, 0);
	fixture_close(&f);
}

/* A system call that writes guest RAM waits for the log like everybody else. */
static void the_kernel_writes_too(void **state)
{
	int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
	struct fixture f;

	fixture_open(&f, *state);
	start_and_copy_all(&f);
	assert_int_equal(read(fd, f.hva + BLOCK_BYTES - 4096, 8192), 8192); /* the last page of one, the first of two */
	close(fd);
	sync_and_copy(&f);
	assert_memory_equal(f.shadow + BLOCK_BYTES - 4096, f.hva + BLOCK_BYTES - 4096, 8192);
	fixture_close(&f); /* frees a log that runs */
}

static void auto_finds_a_mode_and_names_it(void **state)
{
	static const struct row row = { "auto", map_private, GW_PROCESS_LOG_AUTO, 0 };
	struct fixture f;

	fixture_open(&f, &row);
	print_message("auto is: %s\n", gw_process_log_name(f.log));
	start_and_copy_all(&f);
	write_and_sync(&f, 7);
	assert_memory_equal(f.shadow, f.hva, NR_BLOCKS * BLOCK_BYTES);
	fixture_close(&f);
}

static void misuse_is_refused(void **state)
{
	static const struct row row = { "all", map_private, GW_PROCESS_LOG_ALL, 0 };
	struct gw_process_log *log;
	struct fixture f;

	assert_int_equal(gw_process_log_new(&log, NULL, 1, 0, NULL), -EINVAL);
	assert_int_equal(gw_process_log_new(&log, &(struct gw_ram_block){ 0 }, 1, 0, NULL), -EINVAL);
	assert_int_equal(gw_process_log_new(&log, &(struct gw_ram_block){ 0 }, 1, 4, NULL), -EINVAL);
	fixture_open(&f, &row);
	assert_int_equal(gw_process_log_sync(f.log, 0, f.bitmap, NULL), -EINVAL);
	assert_int_equal(gw_process_log_start(f.log, NULL), 0);
	assert_int_equal(gw_process_log_start(f.log, NULL), -EALREADY);
	assert_int_equal(gw_process_log_sync(f.log, NR_BLOCKS, f.bitmap, NULL), -EINVAL);
	fixture_close(&f);
	gw_process_log_free(NULL);
}

#define ASYNC      GW_PROCESS_LOG_ASYNC
#define SYNC       GW_PROCESS_LOG_SYNC
#define ALL        GW_PROCESS_LOG_ALL
#define BEFORE_6_4 UFFD_FEATURE_WP_UNPOPULATED

static struct row rows[] = {
	{ "async, private", map_private, ASYNC, 0 },
	{ "async, shared", map_shared, ASYNC, 0 },
	{ "async, huge pages", map_thp, ASYNC, 0 },
	{ "async, hugetlbfs", map_hugetlb, ASYNC, 0 },
	{ "sync, private", map_private, SYNC, 0 },
	{ "sync, shared", map_shared, SYNC, 0 },
	{ "sync, huge pages", map_thp, SYNC, 0 },
	{ "sync, hugetlbfs", map_hugetlb, SYNC, 0 },
	{ "sync before 6.4, private", map_private, SYNC, BEFORE_6_4 },
	{ "sync before 6.4, shared", map_shared, SYNC, BEFORE_6_4 },
	{ "all, private", map_private, ALL, 0 },
	{ "all, shared", map_shared, ALL, 0 },
};

int main(void)
{
	struct CMUnitTest tests[3 * ARRAY_SIZE(rows) + 2];
	unsigned nr = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		tests[nr++] = (struct CMUnitTest){ rows[i].name, no_write_is_lost, NULL, NULL, &rows[i] };
		tests[nr++] = (struct CMUnitTest){ "the kernel's writes", the_kernel_writes_too, NULL, NULL, &rows[i] };
		if (rows[i].mode != ALL)
			tests[nr++] = (struct CMUnitTest){ "no more than what is written",
							   what_is_not_written_is_not_reported, NULL, NULL, &rows[i] };
	}
	tests[nr++] = (struct CMUnitTest)cmocka_unit_test(auto_finds_a_mode_and_names_it);
	tests[nr++] = (struct CMUnitTest)cmocka_unit_test(misuse_is_refused);
	return _cmocka_run_group_tests("track_process", tests, nr, NULL, NULL);
}
