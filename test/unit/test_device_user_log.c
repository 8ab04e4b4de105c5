/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA logging of a vfio-user device: the client's own log by itself, against a plain model of bytes; then with a
 * scripted server that reports pages, with the extension (pieces of maps) and without (whole maps).
 */
#include "fake_user.h"

#include "base/bitmap.h"
#include "base/bits.h"
#include "device/dma_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_log_by_itself(void **unused)
{
	static const struct gw_iova_range ranges[] = { { 0x8000, 0x3000 }, { 0x1000, 0x2000 } };
	struct dma_log log;
	uint64_t bits[2] = { 0 };

	assert_int_equal(dma_log_start(&log, ranges, 2, 4096), 0);
	dma_log_mark(&log, 0x1fff, 2);
	dma_log_mark(&log, 0x9000, 1);
	dma_log_mark(&log, 0x0, 0x1000);
	dma_log_mark(&log, 0x7000, 0x1000);
	dma_log_mark(&log, UINT64_MAX, 1);
	assert_int_equal(dma_log_take(&log, 0x1000, 0x2000, 4096, bits), 0);
	assert_int_equal(bits[0], 3);
	bits[0] = 0;
	assert_int_equal(dma_log_take(&log, 0x1000, 0x2000, 4096, bits), 0);
	assert_int_equal(bits[0], 0);
	/* Not logged, in part or at all. */
	assert_int_equal(dma_log_take(&log, 0x1000, 0x3000, 4096, bits), -EINVAL);
	assert_int_equal(dma_log_take(&log, 0x7000, 0x2000, 4096, bits), -EINVAL);
	assert_int_equal(dma_log_take(&log, 0x20000, 1, 4096, bits), -EINVAL);
	/* A finer report than the log, then a coarser one. */
	assert_int_equal(dma_log_take(&log, 0x8000, 0x3000, 1024, bits), 0);
	assert_int_equal(bits[0], 0xf0);
	dma_log_mark(&log, 0x9000, 1);
	bits[0] = 0;
	assert_int_equal(dma_log_take(&log, 0x8000, 0x3000, 1 << 20, bits), 0);
	assert_int_equal(bits[0], 1);
	dma_log_stop(&log);
	dma_log_stop(&log);
}

/* A logged page that a report cuts stays dirty for the other part. */
static void test_cut_page(void **unused)
{
	static const struct gw_iova_range range = { 0, 0x40000 };
	struct dma_log log;
	uint64_t bits = 0;

	assert_int_equal(dma_log_start(&log, &range, 1, 0x10000), 0);
	dma_log_mark(&log, 0x10000, 1);
	assert_int_equal(dma_log_take(&log, 0x10000, 0x8000, 4096, &bits), 0);
	assert_int_equal(bits, 0xff);
	bits = 0;
	assert_int_equal(dma_log_take(&log, 0x18000, 0x8000, 4096, &bits), 0);
	assert_int_equal(bits, 0xff);
	assert_int_equal(dma_log_take(&log, 0x10000, 0x10000, 4096, &bits), 0);
	bits = 0;
	assert_int_equal(dma_log_take(&log, 0x10000, 0x10000, 4096, &bits), 0);
	assert_int_equal(bits, 0);
	dma_log_stop(&log);
}

static void test_log_bounds(void **unused)
{
	static const struct gw_iova_range overlap[] = { { 0, 0x2000 }, { 0x1fff, 1 } };
	static const struct gw_iova_range all = { 0, UINT64_MAX };
	static const struct gw_iova_range top = { UINT64_MAX - 4095, 4096 };
	struct dma_log log;
	uint64_t bits = 0;

	assert_int_equal(dma_log_start(&log, overlap, 2, 4096), -EINVAL);
	assert_false(dma_log_active(&log));
	assert_int_equal(dma_log_start(&log, &all, 1, 4096), -E2BIG);
	assert_int_equal(dma_log_start(&log, &top, 1, 4096), 0);
	dma_log_mark(&log, UINT64_MAX, 1);
	assert_int_equal(dma_log_take(&log, UINT64_MAX - 4095, 4096, 4096, &bits), 0);
	assert_int_equal(bits, 1);
	dma_log_stop(&log);
}

/* Random marks, merges and reports against one byte a unit of 512 bytes. */
#define MODEL_UNITS 512
#define UNIT        512u

static void test_log_model(void **unused)
{
	static const struct gw_iova_range range = { 0, MODEL_UNITS * UNIT };
	uint64_t seed = 1;

	for (unsigned round = 0; round < 200; round++) {
		uint64_t log_page = UNIT << (round % 4);
		uint8_t dirty[MODEL_UNITS] = { 0 };
		struct dma_log log;

		assert_int_equal(dma_log_start(&log, &range, 1, log_page), 0);
		for (unsigned step = 0; step < 50; step++) {
			uint64_t first, nr, page, bits[MODEL_UNITS / 64] = { 0 };

			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			first = (seed >> 33) % MODEL_UNITS;
			nr = 1 + (seed >> 20) % (MODEL_UNITS - first);
			page = UNIT << ((seed >> 50) % 5);
			if (seed >> 63) {
				nr = 1 + nr % 4;
				nr = min_u64(nr, MODEL_UNITS - first);
				dma_log_mark(&log, first * UNIT, nr * UNIT);
				for (uint64_t u = 0; u < MODEL_UNITS; u++)
					if (u * UNIT / log_page >= first * UNIT / log_page &&
					    u * UNIT / log_page <= (first + nr - 1) * UNIT / log_page)
						dirty[u] = 1;
				continue;
			}
			assert_int_equal(dma_log_take(&log, first * UNIT, nr * UNIT, page, bits), 0);
			for (uint64_t u = first; u < first + nr; u++)
				if (dirty[u])
					assert_true(bitmap_test(bits, (u - first) * UNIT / page));
			for (uint64_t bit = 0; bit < (nr * UNIT + page - 1) / page; bit++) {
				int any = 0;

				for (uint64_t u = first + bit * page / UNIT;
				     u < first + nr && u < first + (bit + 1) * page / UNIT; u++)
					any |= dirty[u];
				assert_int_equal(bitmap_test(bits, bit), any);
			}
			for (uint64_t u = first; u < first + nr; u++) {
				uint64_t start = u * UNIT / log_page * log_page;

				if (start >= first * UNIT && start + log_page <= (first + nr) * UNIT)
					dirty[u] = 0;
			}
		}
		dma_log_stop(&log);
	}
}

/* The server: one dirty page an address of which the test names; what it was asked is kept. */
struct script {
	uint64_t dirty; /* IOVA of a page that every report over it tells */
	uint32_t nr;
	uint64_t iovas[64], sizes[64], pages[64];
	int fault; /* 1: success without a bitmap; 2: another range; 3: an error */
};

static int report(struct fake_user *f, struct fake_message *m)
{
	struct script *s = f->hook_data;
	uint64_t iova = fake_u64(m, 8), size = fake_u64(m, 16), page = fake_u64(m, 24), nr;
	uint32_t bytes;
	uint8_t *body;

	if (m->command != 16 || fake_u32(m, 4) != ((1u << 16) | 8))
		return 0;
	if (s->nr < 64) {
		s->iovas[s->nr] = iova;
		s->sizes[s->nr] = size;
		s->pages[s->nr++] = page;
	}
	if (s->fault == 1) {
		fake_reply(f, m, NULL, 0);
		return 1;
	}
	if (s->fault == 3) {
		fake_send(f, m->id, 16, 0x21, ENOTSUP, m->body, m->body_bytes);
		return 1;
	}
	nr = (size + page - 1) / page;
	bytes = (uint32_t)(32 + (nr + 63) / 64 * 8);
	assert(fake_u32(m, 0) == bytes);
	body = calloc(1, bytes);
	memcpy(body, m->body, 32);
	if (s->fault == 2)
		body[8] ^= 1;
	if (s->dirty >= iova && s->dirty - iova < size)
		body[32 + (s->dirty - iova) / page / 8] |= (uint8_t)(1 << ((s->dirty - iova) / page % 8));
	fake_reply(f, m, body, bytes);
	free(body);
	return 1;
}

#define EXTENSION "{\"capabilities\":{\"godwit\":{\"stop_size\":false}}}"

/* Two maps of 1 MiB with files and one without, of which [1 MiB, 4 MiB) is logged. */
static struct gw_device *open_logged(struct fake_user *f, struct script *s, const char *json, void *guest)
{
	static const struct gw_iova_range range = { 0x100000, 0x300000 };
	struct gw_device *dev;
	void *ctx;

	*f = (struct fake_user){
		.hook = report, .hook_data = s, .json = json, .migration_flags = 1, .state = 2, .has_log = 1
	};
	fake_start(f);
	assert_int_equal(user_open_fd(&ctx, "dev0", f->client_fd, NULL), 0);
	assert_int_equal(device_new(&dev, "dev0", "", &user_ops, ctx, NULL), 0);
	assert_true(device_info(dev)->features & GW_FEATURE_DMA_LOG);
	for (uint64_t i = 0; i < 3; i++) {
		struct gw_dma_map map = { .iova = 0x100000 * (1 + i),
					  .size_bytes = 0x100000,
					  .hva = guest,
					  .fd = i < 2 ? f->client_fd : -1,
					  .prot = GW_DMA_READ | GW_DMA_WRITE };

		assert_int_equal(gw_device_dma_map(dev, &map, NULL), 0);
	}
	assert_int_equal(device_log_start(dev, &range, 1, 4096, NULL), 0);
	assert_int_equal(device_log_start(dev, &range, 1, 4096, NULL), -EBUSY);
	return dev;
}

static void test_whole_maps(void **unused)
{
	struct script s = { .dirty = 0x1ff000 };
	uint64_t bits[16] = { 0 };
	struct fake_user f;
	void *guest = calloc(1, 0x100000);
	struct gw_device *dev = open_logged(&f, &s, "{}", guest);

	/* Half of the first map is asked for, all of it is reported, and the rest is not forgotten. */
	assert_int_equal(device_log_report(dev, 0x100000, 0x80000, 4096, bits, NULL), 0);
	assert_int_equal(s.nr, 1);
	assert_int_equal(s.iovas[0], 0x100000);
	assert_int_equal(s.sizes[0], 0x100000);
	assert_int_equal(bitmap_count(bits, 128), 0);
	s.dirty = 0;
	assert_int_equal(device_log_report(dev, 0x180000, 0x80000, 4096, bits, NULL), 0);
	assert_int_equal(bitmap_count(bits, 128), 1);
	assert_true(bitmap_test(bits, 127));
	/* Over all three: one report a map with a file, in the logged page size whatever is wanted. */
	s = (struct script){ .dirty = 0x200000 };
	memset(bits, 0, sizeof(bits));
	assert_int_equal(device_log_report(dev, 0x100000, 0x300000, 0x10000, bits, NULL), 0);
	assert_int_equal(s.nr, 2);
	assert_int_equal(s.pages[1], 4096);
	assert_int_equal(bits[0], 1ull << 16);
	/* Not logged. */
	assert_int_equal(device_log_report(dev, 0x3ff000, 0x2000, 4096, bits, NULL), -EINVAL);
	/* What could be written counts as written when it is unmapped. */
	memset(bits, 0, sizeof(bits));
	assert_int_equal(gw_device_dma_unmap(dev, 0x200000, 0x100000, NULL), 0);
	assert_int_equal(device_log_report(dev, 0x200000, 0x100000, 4096, bits, NULL), 0);
	assert_int_equal(bitmap_count(bits, 256), 256);
	assert_int_equal(device_log_stop(dev, NULL), 0);
	assert_int_equal(device_log_report(dev, 0x100000, 0x1000, 4096, bits, NULL), -EINVAL);
	gw_device_close(dev);
	fake_join(&f);
	free(guest);
}

static void test_pieces(void **unused)
{
	struct script s = { .dirty = 0x180000 };
	uint64_t bits[16] = { 0 };
	struct fake_user f;
	void *guest = calloc(1, 0x100000);
	struct gw_device *dev = open_logged(&f, &s, EXTENSION, guest);

	assert_int_equal(device_log_report(dev, 0x180000, 0x100000, 4096, bits, NULL), 0);
	assert_int_equal(s.nr, 2);
	assert_int_equal(s.iovas[0], 0x180000);
	assert_int_equal(s.sizes[0], 0x80000);
	assert_int_equal(s.iovas[1], 0x200000);
	assert_int_equal(s.sizes[1], 0x80000);
	assert_int_equal(bits[0], 1);
	gw_device_close(dev);
	fake_join(&f);
	free(guest);
}

/* A bitmap no larger than the server said it gives: 8 bytes are 64 pages. */
static void test_small_bitmaps(void **unused)
{
	struct script s = { .dirty = 0x1ff000 };
	uint64_t bits[16] = { 0 };
	struct fake_user f;
	void *guest = calloc(1, 0x100000);
	struct gw_device *dev =
		open_logged(&f, &s, "{\"capabilities\":{\"godwit\":{},\"migration\":{\"max_bitmap_size\":8}}}", guest);

	assert_int_equal(device_log_report(dev, 0x100000, 0x100000, 4096, bits, NULL), 0);
	assert_int_equal(s.nr, 4);
	assert_int_equal(s.sizes[3], 0x40000);
	assert_int_equal(bitmap_count(bits, 256), 1);
	assert_true(bitmap_test(bits, 255));
	gw_device_close(dev);
	fake_join(&f);
	free(guest);
}

static void test_lost_logs(void **unused)
{
	static const int codes[] = { 0, -EBADMSG, -EBADMSG, -ENOTSUP };

	for (int fault = 0; fault < 4; fault++) {
		struct script s = { .fault = fault };
		uint64_t bits[16] = { 0 };
		struct fake_user f;
		void *guest = calloc(1, 0x100000);
		struct gw_device *dev = open_logged(&f, &s, "{}", guest);

		assert_int_equal(device_log_report(dev, 0x100000, 0x100000, 4096, bits, NULL), codes[fault]);
		gw_device_close(dev);
		fake_join(&f);
		free(guest);
	}
}

/* DMA_WRITE is logged by the client, nobody else could. */
static int write_guest(struct fake_user *f, struct fake_message *m)
{
	uint64_t body[3] = { 0x301000, 8, 0x77 };
	struct fake_message answer = { .body = NULL };

	if (m->command == 13) {
		fake_send(f, m->id, 12, 0, 0, body, sizeof(body));
		assert(!fake_receive(f, &answer) && answer.flags == 1);
		free(answer.body);
	}
	return report(f, m);
}

static void test_writes_by_message(void **unused)
{
	struct script s = { .dirty = 0 };
	uint64_t bits[16] = { 0 };
	struct fake_user f;
	void *guest = calloc(1, 0x100000);
	struct gw_device *dev = open_logged(&f, &s, "{}", guest);

	f.hook = write_guest;
	assert_int_equal(gw_device_reset(dev, NULL), 0);
	assert_int_equal(((uint64_t *)guest)[512], 0x77);
	assert_int_equal(device_log_report(dev, 0x300000, 0x100000, 4096, bits, NULL), 0);
	assert_int_equal(bits[0], 2);
	assert_int_equal(s.nr, 0);
	gw_device_close(dev);
	fake_join(&f);
	free(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_log_by_itself),     cmocka_unit_test(test_cut_page),
		cmocka_unit_test(test_log_bounds),        cmocka_unit_test(test_log_model),
		cmocka_unit_test(test_whole_maps),        cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_small_bitmaps),     cmocka_unit_test(test_lost_logs),
		cmocka_unit_test(test_writes_by_message),
	};

	return cmocka_run_group_tests_name("device_user_log", tests, NULL, NULL);
}
