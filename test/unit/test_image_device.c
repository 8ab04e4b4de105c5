/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving and loading with a device that fails on demand: a save leaves it where it was, a load touches it only for an
 * image that is whole and fits, and what was loaded in part is reset away. Whatever step fails, or is the last before
 * the caller asks to stop.
 */
#include "fake_saved_device.h"

#include "image/reader.h"
#include "image/writer.h"

#include <fcntl.h>
#include <godwit/image.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static struct gw_device *device_of(struct fake_saved *fake)
{
	struct gw_device *dev;

	assert_int_equal(gw_device_from_ops(&dev, "fake", &fake_saved_ops, fake, NULL), 0);
	return dev;
}

static int save(struct fake_saved *fake, int fd, struct gw_image_options *options, struct gw_image_result *r,
		struct gw_error *e)
{
	struct gw_device *dev = device_of(fake);
	int ret;

	*r = (struct gw_image_result){ .size = sizeof(*r) };
	*e = (struct gw_error)GW_ERROR_NONE;
	ret = gw_image_save(dev, fd, options, r, e);
	assert_int_equal(ret, e->code);
	assert_int_equal(r->state, fake->state);
	gw_device_close(dev);
	lseek(fd, 0, SEEK_SET);
	return ret;
}

static int load(struct fake_saved *fake, int fd, struct gw_image_options *options, struct gw_image_result *r,
		struct gw_error *e)
{
	struct gw_device *dev = device_of(fake);
	int ret;

	*r = (struct gw_image_result){ .size = sizeof(*r) };
	*e = (struct gw_error)GW_ERROR_NONE;
	ret = gw_image_load(dev, fd, options, r, e);
	assert_int_equal(ret, e->code);
	assert_int_equal(r->state, fake->state);
	gw_device_close(dev);
	return ret;
}

static void expect_word(const struct gw_error *e, const char *word)
{
	if (!strstr(e->what, word))
		fail_msg("no \"%s\" in \"%s\"", word, e->what);
}

static int new_file(void)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* An image of a device with this seed. */
static int saved(uint8_t seed, uint32_t flags)
{
	struct gw_image_options options = { .size = sizeof(options), .flags = flags };
	struct fake_saved fake = fake_saved_new(seed);
	struct gw_image_result r;
	struct gw_error e;
	int fd = new_file();

	assert_int_equal(save(&fake, fd, &options, &r, &e), 0);
	assert_int_equal(r.whole, 1);
	return fd;
}

static void expect_no_image(int fd)
{
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(gw_image_verify(fd, NULL, NULL, NULL), -EBADMSG);
}

static void test_round_trip(void **state)
{
	static const uint32_t flags[] = { 0, GW_IMAGE_PRECOPY };

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		struct fake_saved from = fake_saved_new(7), to = fake_saved_new(100);
		int fd = saved(7, flags[i]);
		struct gw_image_result r;
		struct gw_error e;

		assert_int_equal(load(&to, fd, NULL, &r, &e), 0);
		assert_memory_equal(to.memory, from.memory, FAKE_STATE_BYTES);
		assert_int_equal(to.state, GW_STATE_RUNNING);
		assert_int_equal(to.nr_resets, 0);
		assert_true(r.totals.precopy_bytes == (flags[i] ? 48 : 0));
		assert_true(r.totals.precopy_bytes + r.totals.stop_copy_bytes == FAKE_STATE_BYTES);
		assert_int_equal(r.nr_arcs, 4); /* to STOP, RESUMING, STOP, RUNNING */
		assert_true(r.head.known & GW_IMAGE_KNOWS_SIZE && r.head.expected_bytes == FAKE_STATE_BYTES);
		assert_string_equal(r.head.id, "fake");
		close(fd);
	}
}

/* Which blocks a save with pre-copy makes: the mark is on the one with the last initial byte. */
static void expect_marks(int fd, const uint64_t *marks, uint32_t nr)
{
	struct image_io io = image_io(fd, NULL, NULL);
	struct image_reader *reader;
	struct image_block block;
	uint64_t bytes = 0;
	uint32_t seen = 0;

	lseek(fd, 0, SEEK_SET);
	assert_int_equal(image_reader_open(&reader, &io, NULL, NULL), 0);
	while (image_reader_next(reader, &block, NULL) > 0) {
		bytes += block.nr_bytes;
		if (block.flags & IMAGE_BLOCK_INITIAL_END) {
			assert_true(seen < nr && bytes == marks[seen]);
			seen++;
		}
		assert_int_equal(!!(block.flags & IMAGE_BLOCK_STOP_COPY), bytes > 48);
	}
	assert_int_equal(seen, nr);
	image_reader_close(reader);
}

static void test_initial_end_is_marked(void **state)
{
	static const uint64_t marks[] = { 16 };
	int fd = saved(1, GW_IMAGE_PRECOPY);

	expect_marks(fd, marks, 1);
	close(fd);
}

static void test_a_rearmed_device_is_marked_twice(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .flags = GW_IMAGE_PRECOPY };
	static const uint64_t marks[] = { 16, 40 };
	struct fake_saved fake = fake_saved_new(1);
	struct gw_image_result r;
	struct gw_error e;
	int fd = new_file();

	fake.rearm_at = 24;
	fake.rearm_until = 40;
	assert_int_equal(save(&fake, fd, &options, &r, &e), 0);
	expect_marks(fd, marks, 2);
	close(fd);
}

/* It cannot tell what is left: one round, until nothing comes. */
static void test_a_device_that_tells_no_sizes(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .flags = GW_IMAGE_PRECOPY, .precopy_rounds = 1 };
	struct fake_saved fake = fake_saved_new(1);
	struct gw_image_result r;
	struct gw_error e;
	int fd = new_file();

	fake.features &= ~GW_FEATURE_PRECOPY_INFO;
	assert_int_equal(save(&fake, fd, &options, &r, &e), 0);
	assert_true(r.totals.precopy_bytes == 48 && r.totals.stop_copy_bytes == 16);
	close(fd);
}

/* A device that writes as fast as it is read: a round is what it told of when that began. */
static void test_rounds_end_precopy(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .flags = GW_IMAGE_PRECOPY };
	static const uint64_t rounds[] = { 1, 3, 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rounds); i++) {
		struct fake_saved fake = fake_saved_new(1);
		struct gw_image_result r;
		struct gw_error e;
		int fd = new_file();

		fake.endless = 1;
		fake.chunk = 1 << 20;
		options.precopy_rounds = rounds[i];
		assert_int_equal(save(&fake, fd, &options, &r, &e), 0);
		assert_true(r.totals.precopy_bytes == (rounds[i] ? rounds[i] : 8) * 2 * MIB);
		assert_int_equal(fake.state, GW_STATE_RUNNING);
		close(fd);
	}
}

static void test_a_stopped_device_stays_stopped(void **state)
{
	struct gw_image_options options = { .size = sizeof(options) };
	struct fake_saved fake = fake_saved_new(1), to = fake_saved_new(2);
	struct gw_image_result r;
	struct gw_error e;
	int fd = new_file();

	fake.state = GW_STATE_STOP;
	assert_int_equal(save(&fake, fd, &options, &r, &e), 0);
	assert_int_equal(fake.state, GW_STATE_STOP);
	options.flags = GW_IMAGE_STAY;
	assert_int_equal(load(&to, fd, &options, &r, &e), 0);
	assert_int_equal(to.state, GW_STATE_STOP);
	assert_memory_equal(to.memory, fake.memory, FAKE_STATE_BYTES);
	options.flags = GW_IMAGE_PRECOPY;
	assert_int_equal(save(&fake, fd, &options, &r, &e), -EPROTO);
	fake.state = GW_STATE_RESUMING;
	assert_int_equal(save(&fake, fd, NULL, &r, &e), -EPROTO);
	assert_int_equal(fake.state, GW_STATE_RESUMING);
	close(fd);
}

static void test_what_cannot_be_saved(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .flags = GW_IMAGE_PRECOPY };
	struct fake_saved fake = fake_saved_new(1);
	struct gw_image_result r;
	struct gw_error e;
	int fd = new_file();

	fake.migration_flags = GW_MIGRATION_STOP_COPY;
	assert_int_equal(save(&fake, fd, &options, &r, &e), -ENOTSUP);
	expect_word(&e, "PRE_COPY");
	fake.migration_flags = 0;
	assert_int_equal(save(&fake, fd, NULL, &r, &e), -ENOTSUP);
	assert_int_equal(load(&fake, fd, NULL, &r, &e), -ENOTSUP);
	options.flags = 1u << 20;
	assert_int_equal(save(&fake, fd, &options, &r, &e), -EINVAL);
	assert_int_equal(fake.nr_sets, 0);
	close(fd);
}

/* Every arc of a save and every read, one by one: the device is back, and there is no image; or all of it is there. */
static void test_save_when_an_arc_fails(void **state)
{
	static const struct {
		uint32_t from, to;
		int to_error, whole;
		uint32_t resets;
		const char *word;
	} rows[] = {
		{ GW_STATE_RUNNING, GW_STATE_PRE_COPY, 0, 0, 0, "RUNNING -> PRE_COPY" },
		{ GW_STATE_PRE_COPY, GW_STATE_STOP_COPY, 0, 0, 0, "PRE_COPY -> STOP_COPY" },
		{ GW_STATE_PRE_COPY, GW_STATE_STOP_COPY, 1, 0, 1, "it was reset" },
		{ GW_STATE_STOP, GW_STATE_RUNNING, 0, 1, 0, "saved whole" },
		{ GW_STATE_STOP_COPY, GW_STATE_STOP, 1, 1, 1, "saved whole" },
	};
	struct gw_image_options options = { .size = sizeof(options), .flags = GW_IMAGE_PRECOPY };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_saved fake = fake_saved_new(1);
		struct gw_image_result r;
		struct gw_error e;
		int fd = new_file();

		fake.fail_from = rows[i].from;
		fake.fail_to = rows[i].to;
		fake.to_error = rows[i].to_error;
		assert_int_equal(save(&fake, fd, &options, &r, &e), -EIO);
		expect_word(&e, rows[i].word);
		assert_int_equal(r.whole, rows[i].whole);
		assert_int_equal(fake.nr_resets, rows[i].resets);
		if (rows[i].from == GW_STATE_STOP) { /* it cannot: it is said where it is */
			assert_int_equal(fake.state, GW_STATE_STOP);
			expect_word(&e, "could not be taken back to RUNNING");
		} else {
			assert_int_equal(fake.state, GW_STATE_RUNNING);
		}
		if (rows[i].whole)
			assert_int_equal(gw_image_verify(fd, NULL, NULL, NULL), 0);
		else
			expect_no_image(fd);
		close(fd);
	}
}

static void test_save_when_a_read_fails(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .flags = GW_IMAGE_PRECOPY };
	int ret = -EIO;

	for (uint32_t k = 1; ret; k++) {
		struct fake_saved fake = fake_saved_new(1);
		struct gw_image_result r;
		struct gw_error e;
		int fd = new_file();

		assert_true(k < 20);
		fake.fail_read = k;
		ret = save(&fake, fd, &options, &r, &e);
		assert_int_equal(fake.state, GW_STATE_RUNNING);
		assert_int_equal(fake.nr_resets, 0);
		if (ret) {
			assert_int_equal(ret, -EIO);
			expect_word(&e, "back in RUNNING");
			expect_no_image(fd);
		} else {
			assert_int_equal(k, 10); /* 6 reads in pre-copy, 2 in stop-copy, and the end */
		}
		close(fd);
	}
}

static void test_save_of_a_device_that_goes_to_error(void **state)
{
	struct fake_saved fake = fake_saved_new(1);
	struct gw_image_result r;
	struct gw_error e;
	int fd = new_file();

	fake.fail_read = 3;
	fake.to_error = 1;
	assert_int_equal(save(&fake, fd, NULL, &r, &e), -EIO);
	expect_word(&e, "had to be reset");
	assert_int_equal(fake.nr_resets, 1);
	assert_int_equal(fake.state, GW_STATE_RUNNING);
	expect_no_image(fd);
	close(fd);
}

static void test_save_to_a_full_disk(void **state)
{
	struct fake_saved fake = fake_saved_new(1);
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct gw_image_result r;
	struct gw_error e;

	if (fd < 0)
		skip();
	assert_int_equal(save(&fake, fd, NULL, &r, &e), -ENOSPC);
	assert_int_equal(fake.state, GW_STATE_RUNNING);
	assert_int_equal(r.whole, 0);
	close(fd);
}

struct stopper {
	uint32_t left; /* calls until it says stop */
	int fd;        /* whose byte at `at` is changed when loading begins; -1: none */
	off_t at;
	uint32_t phases; /* a bit for each seen */
};

static int stop(void *ctx, const struct gw_image_progress *progress)
{
	struct stopper *s = ctx;

	s->phases |= 1u << progress->phase;
	if (s->fd >= 0 && progress->phase == GW_IMAGE_LOADING) {
		uint8_t byte;

		assert_int_equal(pread(s->fd, &byte, 1, s->at), 1);
		byte ^= 1;
		assert_int_equal(pwrite(s->fd, &byte, 1, s->at), 1);
		s->fd = -1;
	}
	return s->left && !--s->left;
}

static void test_save_is_stopped_anywhere(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .flags = GW_IMAGE_PRECOPY, .progress = stop };
	int ret = -ECANCELED;

	for (uint32_t k = 1; ret; k++) {
		struct fake_saved fake = fake_saved_new(1);
		struct stopper stopper = { .left = k, .fd = -1 };
		struct gw_image_result r;
		struct gw_error e;
		int fd = new_file();

		options.ctx = &stopper;
		ret = save(&fake, fd, &options, &r, &e);
		assert_true(k < 100 && (!ret || ret == -ECANCELED));
		assert_int_equal(fake.state, GW_STATE_RUNNING);
		assert_int_equal(fake.nr_resets, 0);
		if (ret)
			expect_no_image(fd);
		else
			assert_int_equal(stopper.phases, 1u << GW_IMAGE_PRE_COPY | 1u << GW_IMAGE_STOP_COPY);
		close(fd);
	}
}

static void test_load_is_stopped_anywhere(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .progress = stop };
	int fd = saved(7, 0), ret = -ECANCELED;
	bool was_reset = false;

	for (uint32_t k = 1; ret; k++) {
		struct fake_saved fake = fake_saved_new(100), before = fake;
		struct stopper stopper = { .left = k, .fd = -1 };
		struct gw_image_result r;
		struct gw_error e;

		options.ctx = &stopper;
		lseek(fd, 0, SEEK_SET);
		ret = load(&fake, fd, &options, &r, &e);
		assert_true(k < 100 && (!ret || ret == -ECANCELED));
		assert_int_equal(fake.state, GW_STATE_RUNNING);
		assert_int_equal(r.touched, fake.nr_sets > 0);
		if (ret && !fake.nr_sets)
			assert_memory_equal(fake.memory, before.memory, FAKE_STATE_BYTES);
		if (ret && fake.nr_sets) {
			assert_int_equal(fake.nr_resets, 1);
			expect_word(&e, "was reset");
			was_reset = true;
		}
	}
	assert_true(was_reset);
	close(fd);
}

/* The device is asked for nothing but what it is. */
static void expect_untouched(int fd, struct gw_image_options *options, int code, const char *word)
{
	struct fake_saved fake = fake_saved_new(100), before = fake;
	struct gw_image_result r;
	struct gw_error e;

	assert_int_equal(load(&fake, fd, options, &r, &e), code);
	expect_word(&e, word);
	assert_int_equal(fake.nr_sets + fake.nr_resets, 0);
	assert_int_equal(r.touched, 0);
	assert_memory_equal(fake.memory, before.memory, FAKE_STATE_BYTES);
}

static void test_a_bad_image_does_not_touch_the_device(void **state)
{
	int fd = saved(7, 0);
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t byte;

	for (off_t at = 0; at < size; at += 7) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		lseek(fd, 0, SEEK_SET);
		expect_untouched(fd, NULL, -EBADMSG, "");
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
	assert_int_equal(ftruncate(fd, size - 1), 0);
	lseek(fd, 0, SEEK_SET);
	expect_untouched(fd, NULL, -EBADMSG, "cut short");
	close(fd);
}

static void test_an_image_of_another_device(void **state)
{
	struct gw_image_options force = { .size = sizeof(force), .flags = GW_IMAGE_FORCE };
	struct fake_saved fake = fake_saved_new(1);
	struct gw_image_result r;
	struct gw_error e;
	int fd = new_file();

	fake.bar_bytes = 8192;
	assert_int_equal(save(&fake, fd, NULL, &r, &e), 0);
	expect_untouched(fd, NULL, -ENOTSUP, "BAR 0");
	lseek(fd, 0, SEEK_SET);
	fake = fake_saved_new(2);
	assert_int_equal(load(&fake, fd, &force, &r, &e), 0);
	close(fd);

	fd = saved(7, GW_IMAGE_PRECOPY);
	fake = fake_saved_new(2);
	fake.migration_flags = GW_MIGRATION_STOP_COPY;
	assert_int_equal(load(&fake, fd, NULL, &r, &e), -ENOTSUP);
	expect_word(&e, "pre-copy data");
	assert_int_equal(fake.nr_sets, 0);
	close(fd);
}

/* What an image does not know cannot differ; what it knows can, each by itself. */
static void test_match(void **state)
{
	static const struct {
		struct gw_image_head head;
		int ret;
	} rows[] = {
		{ { .known = 0 }, 0 },
		{ { .known = 1, .vendor_id = 0x1b36, .device_id = 0x10 }, 0 },
		{ { .known = 1, .vendor_id = 0x1b37 }, -ENOTSUP },
		{ { .known = 1, .device_id = 0x11 }, -ENOTSUP },
		{ { .known = 1, .subsystem_vendor_id = 1 }, 0 }, /* this device has none */
		{ { .known = 1, .class_revision = 0x00ff0002 }, 0 },
		{ { .known = 1, .class_revision = 0x00fe0001 }, -ENOTSUP },
		{ { .known = 2, .bar_bytes = { 4096 } }, 0 },
		{ { .known = 2, .bar_bytes = { 4096, 4096 } }, -ENOTSUP },
		{ { .known = 4, .migration_flags = 7 }, 0 },
	};
	struct fake_saved fake = fake_saved_new(1);
	struct gw_device *dev = device_of(&fake);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (gw_image_match(&rows[i].head, dev, NULL) != rows[i].ret)
			fail_msg("row %zu", i);
	gw_device_close(dev);
}

static void test_a_load_that_fails_is_reset_away(void **state)
{
	static const struct {
		uint32_t from, to, fail_write;
		uint32_t resets, kept; /* kept: the old state is still there */
		const char *word;
	} rows[] = {
		{ GW_STATE_RUNNING, GW_STATE_STOP, 0, 0, 1, "it was taken back" },
		{ GW_STATE_STOP, GW_STATE_RESUMING, 0, 1, 0, "the device was reset" },
		{ 0, 0, 1, 1, 0, "refuses its state" },
		{ 0, 0, 5, 1, 0, "the device was reset" },
		{ GW_STATE_RESUMING, GW_STATE_STOP, 0, 1, 0, "it was reset" },
		{ GW_STATE_STOP, GW_STATE_RUNNING, 0, 1, 0, "the device was reset" },
	};
	int fd = saved(7, 0);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_saved fake = fake_saved_new(100), before = fake;
		struct gw_image_result r;
		struct gw_error e;

		fake.fail_from = rows[i].from;
		fake.fail_to = rows[i].to;
		fake.fail_write = rows[i].fail_write;
		lseek(fd, 0, SEEK_SET);
		assert_int_not_equal(load(&fake, fd, NULL, &r, &e), 0);
		expect_word(&e, rows[i].word);
		assert_int_equal(fake.state, GW_STATE_RUNNING);
		assert_int_equal(fake.nr_resets, rows[i].resets);
		assert_int_equal(!memcmp(fake.memory, before.memory, FAKE_STATE_BYTES), rows[i].kept);
		assert_int_equal(r.whole, 1);
	}
	close(fd);
}

static void test_a_device_without_reset(void **state)
{
	struct gw_device_ops ops = fake_saved_ops;
	struct fake_saved fake = fake_saved_new(100);
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;
	int fd = saved(7, 0);

	ops.reset = NULL;
	fake.fail_write = 1;
	assert_int_equal(gw_device_from_ops(&dev, "fake", &ops, &fake, NULL), 0);
	assert_int_equal(gw_image_load(dev, fd, NULL, NULL, &e), -EINVAL);
	expect_word(&e, "could not be reset");
	assert_int_equal(fake.state, GW_STATE_RESUMING); /* not to come to life */
	gw_device_close(dev);
	close(fd);
}

static void test_a_device_in_error_is_reset_first(void **state)
{
	static const uint32_t found[] = { GW_STATE_ERROR, GW_STATE_RESUMING, GW_STATE_STOP_COPY, GW_STATE_PRE_COPY };
	int fd = saved(7, 0);

	for (size_t i = 0; i < ARRAY_SIZE(found); i++) {
		struct fake_saved fake = fake_saved_new(100), from = fake_saved_new(7);
		struct gw_image_result r;
		struct gw_error e;

		fake.state = found[i];
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(load(&fake, fd, NULL, &r, &e), 0);
		assert_int_equal(fake.nr_resets, i < 2);
		assert_memory_equal(fake.memory, from.memory, FAKE_STATE_BYTES);
	}
	close(fd);
}

/* Between the check and the load: in a block that is still to come, and in the trailer. */
static void test_a_file_that_changes_meanwhile(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .progress = stop };
	int fd = saved(7, 0);
	off_t size = lseek(fd, 0, SEEK_END), places[] = { size - 90, size - 100, size - 4 };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		struct stopper stopper = { .fd = fd, .at = places[i] };
		struct fake_saved fake = fake_saved_new(100);
		struct gw_image_result r;
		struct gw_error e;
		uint8_t byte;

		options.ctx = &stopper;
		lseek(fd, 0, SEEK_SET);
		assert_int_equal(load(&fake, fd, &options, &r, &e), -EBADMSG);
		expect_word(&e, "the device was reset");
		assert_int_equal(fake.state, GW_STATE_RUNNING);
		assert_int_equal(pread(fd, &byte, 1, places[i]), 1);
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, places[i]), 1);
	}
	close(fd);
}

/* A pipe with an image in it, at its end. */
static int pipe_of(int fd)
{
	uint8_t bytes[4096];
	ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(n > 0 && write(ends[1], bytes, (size_t)n) == n);
	close(ends[1]);
	return ends[0];
}

static void test_an_image_by_a_pipe(void **state)
{
	struct gw_image_options options = { .size = sizeof(options), .spool_dir = "/tmp" };
	struct fake_saved fake = fake_saved_new(100), from = fake_saved_new(7);
	int file = saved(7, 0), fd = pipe_of(file);
	struct gw_image_result r;
	struct gw_error e;

	assert_int_equal(load(&fake, fd, &options, &r, &e), 0);
	assert_memory_equal(fake.memory, from.memory, FAKE_STATE_BYTES);
	close(fd);

	options.max_bytes = 300;
	fd = pipe_of(file);
	expect_untouched(fd, &options, -EFBIG, "300 bytes");
	close(fd);

	options = (struct gw_image_options){ .size = sizeof(options), .spool_dir = "/nonexistent" };
	fd = pipe_of(file);
	expect_untouched(fd, &options, -ENOENT, "/nonexistent");
	close(fd);
	close(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_initial_end_is_marked),
		cmocka_unit_test(test_a_rearmed_device_is_marked_twice),
		cmocka_unit_test(test_a_device_that_tells_no_sizes),
		cmocka_unit_test(test_rounds_end_precopy),
		cmocka_unit_test(test_a_stopped_device_stays_stopped),
		cmocka_unit_test(test_what_cannot_be_saved),
		cmocka_unit_test(test_save_when_an_arc_fails),
		cmocka_unit_test(test_save_when_a_read_fails),
		cmocka_unit_test(test_save_of_a_device_that_goes_to_error),
		cmocka_unit_test(test_save_to_a_full_disk),
		cmocka_unit_test(test_save_is_stopped_anywhere),
		cmocka_unit_test(test_load_is_stopped_anywhere),
		cmocka_unit_test(test_a_bad_image_does_not_touch_the_device),
		cmocka_unit_test(test_an_image_of_another_device),
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_a_load_that_fails_is_reset_away),
		cmocka_unit_test(test_a_device_without_reset),
		cmocka_unit_test(test_a_device_in_error_is_reset_first),
		cmocka_unit_test(test_a_file_that_changes_meanwhile),
		cmocka_unit_test(test_an_image_by_a_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
