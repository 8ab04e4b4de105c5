/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device's state stream, device to device without sockets: it arrives whole in bites of any size, a
 * block written during pre-copy arrives as it was last, and a stream that lacks or changes anything is refused.
 */
#include "ref/device/device.h"
#include "ref/device/region.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ALL_CAPS    (MIG_CAP_STOP_COPY | MIG_CAP_P2P | MIG_CAP_PRE_COPY)
#define MEMORY      (((uint64_t)1 << 20) + 4096) /* the last block is short */
#define STREAM_ROOM ((size_t)8 << 20)

struct stream {
	uint8_t *bytes;
	size_t size;
};

static uint64_t rng_next(uint64_t *rng)
{
	*rng ^= *rng << 13;
	*rng ^= *rng >> 7;
	*rng ^= *rng << 17;
	return *rng;
}

static void start_device(struct ref_device *dev, struct ref_device_options *options, uint64_t memory, uint64_t serial)
{
	ref_device_options_init(options);
	options->state_bytes = memory;
	options->serial = serial;
	assert_int_equal(ref_device_init(dev, options, -1), 0);
	ref_device_attach(dev);
}

static void write_memory(struct ref_device *dev, uint64_t offset, uint8_t value, size_t size)
{
	uint8_t *data = malloc(size);

	assert_non_null(data);
	memset(data, value, size);
	assert_int_equal(ref_region_write(dev, REFDEV_BAR_MEMORY, offset, data, size), 0);
	free(data);
}

static void write_u64(struct ref_device *dev, uint64_t reg, uint64_t value)
{
	assert_int_equal(ref_region_write(dev, REFDEV_BAR_REGISTERS, reg, (uint8_t *)&value, 8), 0);
}

/* Reads until nothing comes, in bites of up to max_bite bytes. */
static void read_some(struct ref_device *dev, struct stream *stream, size_t max_bite, uint64_t *rng)
{
	uint64_t done_ns;
	ssize_t n;

	do {
		size_t bite = 1 + rng_next(rng) % max_bite;

		assert_true(stream->size + bite <= STREAM_ROOM);
		n = ref_migration_read(dev, stream->bytes + stream->size, bite, &done_ns);
		assert_true(n >= 0);
		stream->size += (size_t)n;
	} while (n > 0);
}

static int write_all(struct ref_device *dev, const uint8_t *bytes, size_t size, size_t max_bite, uint64_t *rng)
{
	uint64_t done_ns;
	int ret = 0;

	for (size_t at = 0; at < size && !ret;) {
		size_t bite = 1 + rng_next(rng) % max_bite;

		bite = bite < size - at ? bite : size - at;
		ret = ref_migration_write(dev, bytes + at, bite, &done_ns);
		at += bite;
	}
	return ret;
}

static void expect_equal(struct ref_device *a, struct ref_device *b)
{
	uint8_t config_a[PCI_CONFIG_BYTES], config_b[PCI_CONFIG_BYTES];

	assert_memory_equal(a->memory.data, b->memory.data, MEMORY);
	assert_memory_equal(&a->regs, &b->regs, sizeof(a->regs));
	assert_int_equal(a->irqs.pending, b->irqs.pending);
	ref_region_read(a, 7, 0, config_a, sizeof(config_a));
	ref_region_read(b, 7, 0, config_b, sizeof(config_b));
	assert_memory_equal(config_a, config_b, sizeof(config_a));
	assert_memory_equal(a->pci.table, b->pci.table, sizeof(a->pci.table));
}

static void dirty_the_source(struct ref_device *dev)
{
	uint8_t command = 6, entry[16] = { 1, 2, 3 };

	write_u64(dev, REFDEV_REG_OP_TAG, 77);
	write_u64(dev, REFDEV_REG_STREAM_RING, 0x40000);
	assert_int_equal(ref_region_write(dev, 7, 4, &command, 1), 0);
	assert_int_equal(ref_region_write(dev, 4, 16, entry, sizeof(entry)), 0);
	write_memory(dev, 0x10000, 0x11, 0x20000);
	write_memory(dev, MEMORY - 100, 0x22, 100);
}

/* A pre-copied stream in which block 1 comes three times and block 5, once zero, is not in the end. */
static void make_stream(struct ref_device *dev, struct stream *stream, size_t max_bite, uint64_t *rng)
{
	stream->bytes = malloc(STREAM_ROOM);
	stream->size = 0;
	assert_non_null(stream->bytes);
	dirty_the_source(dev);
	assert_int_equal(ref_migration_set(dev, MIG_PRE_COPY, ALL_CAPS), 0);
	read_some(dev, stream, max_bite, rng);
	write_memory(dev, 0x10000, 0x33, 10);
	write_memory(dev, 0x50000, 0x44, 10);
	read_some(dev, stream, max_bite, rng);
	write_memory(dev, 0x10005, 0x55, 10);
	assert_int_equal(ref_migration_set(dev, MIG_STOP_COPY, ALL_CAPS), 0);
	read_some(dev, stream, max_bite, rng);
}

static void round_trip_in_bites_of_any_size(void **state)
{
	const size_t bites[] = { 1 << 20, 70000, 4096, 100, 7 };
	uint64_t rng = 4101842887655102017ull;

	for (size_t i = 0; i < sizeof(bites) / sizeof(bites[0]); i++) {
		struct ref_device_options options[2];
		struct ref_device from, to;
		struct stream stream;

		start_device(&from, &options[0], MEMORY, 5);
		start_device(&to, &options[1], MEMORY, 6);
		write_memory(&to, 0, 0xee, MEMORY); /* what is there is not what arrives */
		make_stream(&from, &stream, bites[i], &rng);
		assert_int_equal(ref_migration_set(&to, MIG_RESUMING, ALL_CAPS), 0);
		assert_int_equal(write_all(&to, stream.bytes, stream.size,
					   bites[sizeof(bites) / sizeof(bites[0]) - 1 - i], &rng),
				 0);
		assert_int_equal(ref_migration_set(&to, MIG_STOP, ALL_CAPS), 0);
		expect_equal(&from, &to);
		assert_int_equal(ref_migration_set(&to, MIG_RUNNING, ALL_CAPS), 0);
		free(stream.bytes);
		ref_device_detach(&from);
		ref_device_detach(&to);
		ref_device_fini(&from);
		ref_device_fini(&to);
	}
}

/* Loads what may be garbage: it must be refused, and a reset must bring the device back. */
static void expect_refused(struct ref_device *to, const uint8_t *bytes, size_t size)
{
	uint64_t rng = 1, done_ns;
	int ret;

	assert_int_equal(ref_migration_set(to, MIG_RESUMING, ALL_CAPS), 0);
	ret = write_all(to, bytes, size, 1 << 20, &rng);
	if (ret)
		assert_int_equal(ref_migration_write(to, bytes, 0, &done_ns), ret);
	assert_true(ref_migration_set(to, MIG_STOP, ALL_CAPS) < 0);
	assert_int_equal(ref_migration_state(to), MIG_RESUMING);
	assert_true(ref_migration_set(to, MIG_RUNNING, ALL_CAPS) < 0);
	ref_device_reset(to);
	assert_int_equal(ref_migration_state(to), MIG_RUNNING);
}

/* The head with the layout, and the last block with all that follows. Between them a later block may make a bit good.
 */
static bool is_sensitive(size_t at, size_t size)
{
	return at < 240 || at + 600 > size;
}

static void changed_or_cut_streams_are_refused(void **state)
{
	struct ref_device_options options[2];
	struct ref_device from, to;
	struct stream stream;
	uint64_t rng = 7;

	start_device(&from, &options[0], MEMORY, 5);
	start_device(&to, &options[1], MEMORY, 6);
	make_stream(&from, &stream, 1 << 20, &rng);
	for (size_t at = 0; at < stream.size; at += is_sensitive(at, stream.size) ? 1 : 3001) {
		stream.bytes[at] ^= (uint8_t)(1 << at % 8);
		if (is_sensitive(at, stream.size))
			expect_refused(&to, stream.bytes, stream.size);
		stream.bytes[at] ^= (uint8_t)(1 << at % 8);
		expect_refused(&to, stream.bytes, at);
	}
	expect_refused(&to, stream.bytes, stream.size - 1);
	stream.bytes[stream.size] = 0;
	expect_refused(&to, stream.bytes, stream.size + 1);
	free(stream.bytes);
	ref_device_fini(&from);
	ref_device_fini(&to);
}

static void a_changed_byte_of_memory_is_refused(void **state)
{
	struct ref_device_options options[2];
	struct ref_device from, to;
	struct stream stream = { .bytes = malloc(STREAM_ROOM) };
	uint64_t rng = 7;

	start_device(&from, &options[0], MEMORY, 5);
	start_device(&to, &options[1], MEMORY, 6);
	write_memory(&from, 0, 0x5a, MEMORY);
	assert_int_equal(ref_migration_set(&from, MIG_STOP_COPY, ALL_CAPS), 0);
	read_some(&from, &stream, 1 << 20, &rng);
	for (size_t at = 1000; at < stream.size; at += 4999) {
		stream.bytes[at] ^= 0x80;
		expect_refused(&to, stream.bytes, stream.size);
		stream.bytes[at] ^= 0x80;
	}
	assert_int_equal(ref_migration_set(&to, MIG_RESUMING, ALL_CAPS), 0);
	assert_int_equal(write_all(&to, stream.bytes, stream.size, 1 << 20, &rng), 0);
	assert_int_equal(ref_migration_set(&to, MIG_STOP, ALL_CAPS), 0);
	expect_equal(&from, &to);
	free(stream.bytes);
	ref_device_fini(&from);
	ref_device_fini(&to);
}

static void a_device_of_another_size_is_refused(void **state)
{
	struct ref_device_options options[2];
	struct ref_device from, to;
	struct stream stream;
	uint64_t rng = 7, done_ns;

	start_device(&from, &options[0], MEMORY, 5);
	start_device(&to, &options[1], MEMORY + 4096, 5);
	make_stream(&from, &stream, 1 << 20, &rng);
	assert_int_equal(ref_migration_set(&to, MIG_RESUMING, ALL_CAPS), 0);
	assert_int_equal(ref_migration_write(&to, stream.bytes, 4096, &done_ns), -EINVAL);
	assert_int_equal(ref_migration_set(&to, MIG_STOP, ALL_CAPS), -EINVAL);
	free(stream.bytes);
	ref_device_fini(&from);
	ref_device_fini(&to);
}

static void data_only_in_its_states(void **state)
{
	struct ref_device_options options;
	struct ref_device dev;
	struct precopy_left left;
	uint64_t done_ns;
	uint8_t byte = 0;

	start_device(&dev, &options, MEMORY, 5);
	assert_int_equal(ref_migration_read(&dev, &byte, 1, &done_ns), -EINVAL);
	assert_int_equal(ref_migration_write(&dev, &byte, 1, &done_ns), -EINVAL);
	assert_int_equal(ref_migration_precopy_left(&dev, &left), -EINVAL);
	assert_int_equal(ref_migration_set(&dev, MIG_STOP_COPY, ALL_CAPS), 0);
	assert_int_equal(ref_migration_write(&dev, &byte, 1, &done_ns), -EINVAL);
	assert_int_equal(ref_migration_precopy_left(&dev, &left), -EINVAL);
	assert_int_equal(ref_region_write(&dev, REFDEV_BAR_MEMORY, 0, &byte, 1), -EBUSY);
	assert_int_equal(ref_migration_set(&dev, MIG_PRE_COPY, ALL_CAPS), -EINVAL);
	assert_int_equal(ref_migration_state(&dev), MIG_STOP_COPY);
	assert_int_equal(ref_migration_set(&dev, MIG_RESUMING, ALL_CAPS), 0);
	assert_int_equal(ref_migration_read(&dev, &byte, 1, &done_ns), -EINVAL);
	assert_int_equal(ref_migration_set(&dev, 8, ALL_CAPS), -EINVAL);
	assert_int_equal(ref_migration_set(&dev, MIG_ERROR, ALL_CAPS), -EINVAL);
	ref_device_fini(&dev);
}

/* What the device says is left is what then comes, when nothing is zero and nothing is written meanwhile. */
static void sizes_are_what_comes(void **state)
{
	struct ref_device_options options;
	struct ref_device dev;
	struct stream stream = { .bytes = malloc(STREAM_ROOM) };
	struct precopy_left left;
	uint64_t rng = 9, stop, done_ns;

	start_device(&dev, &options, (uint64_t)1 << 20, 5);
	write_memory(&dev, 0, 1, (size_t)1 << 20);
	stop = ref_migration_stop_bytes(&dev);
	assert_int_equal(ref_migration_set(&dev, MIG_PRE_COPY, ALL_CAPS), 0);
	assert_int_equal(ref_migration_precopy_left(&dev, &left), 0);
	assert_true(left.initial > 4 * 65536 && left.initial < 4 * 65536 + 4096);
	stream.size = (size_t)ref_migration_read(&dev, stream.bytes, left.initial - 1, &done_ns);
	assert_int_equal(stream.size, left.initial - 1);
	assert_int_equal(ref_migration_precopy_left(&dev, &left), 0);
	assert_int_equal(left.initial, 1);
	stream.size += (size_t)ref_migration_read(&dev, stream.bytes + stream.size, 1, &done_ns);
	assert_int_equal(ref_migration_precopy_left(&dev, &left), 0);
	assert_int_equal(left.initial, 0);
	assert_int_equal(left.dirty, 12 * (65536 + 16));
	assert_int_equal(ref_migration_stop_bytes(&dev), stop - stream.size);
	assert_int_equal(ref_migration_set(&dev, MIG_STOP_COPY, ALL_CAPS), 0);
	read_some(&dev, &stream, 1 << 20, &rng);
	assert_int_equal(stream.size, stop);
	assert_int_equal(ref_migration_stop_bytes(&dev), 0);
	free(stream.bytes);
	ref_device_fini(&dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip_in_bites_of_any_size),
		cmocka_unit_test(changed_or_cut_streams_are_refused),
		cmocka_unit_test(a_changed_byte_of_memory_is_refused),
		cmocka_unit_test(a_device_of_another_size_is_refused),
		cmocka_unit_test(data_only_in_its_states),
		cmocka_unit_test(sizes_are_what_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
