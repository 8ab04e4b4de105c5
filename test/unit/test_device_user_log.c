/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DMA logging of a vfio-user device with a scripted server that reports pages, with the extension (pieces of maps) and
 * without (whole maps).
 */
#include "fake_user.h"

#include "base/bitmap.h"
#include "base/bits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The server: one dirty page an address of which the test names; what it was asked is kept. */
struct script {
	uint64_t dirty; /* IOVA of a page that every report over it tells */
	uint32_t nr;
	uint64_t iovas[64], sizes[64], pages[64];
	int fault; /* 1: success without a bitmap; 2: another range; 3: an error */
	uint32_t nr_starts, nr_ranges, refuse_starts;
};

static int log_start(struct fake_user *f, struct fake_message *m)
{
	struct script *s = f->hook_data;

	s->nr_starts++;
	s->nr_ranges = fake_u32(m, 16);
	if (!s->refuse_starts)
		return 0;
	fake_refuse(f, m, ENOSPC);
	return 1;
}

static int report(struct fake_user *f, struct fake_message *m)
{
	struct script *s = f->hook_data;
	uint64_t iova = fake_u64(m, 8), size = fake_u64(m, 16), page = fake_u64(m, 24), nr;
	uint32_t bytes;
	uint8_t *body;

	if (m->command == 16 && fake_u32(m, 4) == ((1u << 17) | 6))
		return log_start(f, m);
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
	assert_int_equal(user_open_fd(&ctx, "dev0", f->client_fd, &(struct gw_open_options){ 0 }, NULL), 0);
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

static int add_map(struct gw_device *dev, void *guest, uint64_t iova, int fd, uint32_t prot)
{
	struct gw_dma_map map = { .iova = iova, .size_bytes = 0x100000, .hva = guest, .fd = fd, .prot = prot };

	return gw_device_dma_map(dev, &map, NULL);
}

/* Memory that comes while the log is on: logged, whoever does it; a server has to begin anew for it. */
static void test_added_memory(void **unused)
{
	struct script s = { .dirty = 0 };
	uint64_t bits[16] = { 0 };
	struct fake_user f;
	void *guest = calloc(1, 0x100000);
	struct gw_device *dev = open_logged(&f, &s, EXTENSION, guest);

	/* Not to be written; within what is logged, once there is room; asked for by message alone. */
	assert_int_equal(add_map(dev, guest, 0x900000, f.client_fd, GW_DMA_READ), 0);
	assert_int_equal(device_log_report(dev, 0x900000, 0x1000, 4096, bits, NULL), -EINVAL);
	assert_int_equal(gw_device_dma_unmap(dev, 0x300000, 0x100000, NULL), 0);
	assert_int_equal(add_map(dev, guest, 0x300000, f.client_fd, 3), 0);
	assert_int_equal(add_map(dev, guest, 0x500000, -1, 3), 0);
	assert_int_equal(s.nr_starts, 1);
	assert_int_equal(device_log_report(dev, 0x500000, 0x100000, 4096, bits, NULL), 0);
	assert_int_equal(bitmap_count(bits, 256), 0);
	/* One for the server: told anew, of all three ranges. What was logged is lost. */
	assert_int_equal(add_map(dev, guest, 0x700000, f.client_fd, 3), 0);
	assert_int_equal(s.nr_starts, 2);
	assert_int_equal(s.nr_ranges, 3);
	for (unsigned round = 0; round < 2; round++) {
		memset(bits, 0, sizeof(bits));
		assert_int_equal(device_log_report(dev, 0x100000, 0x100000, 4096, bits, NULL), 0);
		assert_int_equal(bitmap_count(bits, 256), round ? 0 : 256);
	}
	assert_int_equal(device_log_report(dev, 0x700000, 0x100000, 4096, bits, NULL), 0);
	/* A server that does not begin anew: nothing can be told until the log is. */
	s.refuse_starts = 1;
	assert_int_equal(add_map(dev, guest, 0xa00000, f.client_fd, 3), 0);
	assert_int_equal(device_log_report(dev, 0x100000, 0x1000, 4096, bits, NULL), -EIO);
	assert_int_equal(device_log_stop(dev, NULL), 0);
	gw_device_close(dev);
	fake_join(&f);
	free(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_maps),        cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_small_bitmaps),     cmocka_unit_test(test_lost_logs),
		cmocka_unit_test(test_writes_by_message), cmocka_unit_test(test_added_memory),
	};

	return cmocka_run_group_tests_name("device_user_log", tests, NULL, NULL);
}
