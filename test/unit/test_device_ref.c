/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user back end against the reference device, each in its own thread: state saved from one and loaded into
 * another, with the extension and without. The two protocol codes were written apart from each other.
 */
#include "device/device.h"
#include "model/device_state.h"
#include "ref/device_registers.h"
#include "ref_server.h"

#include "base/bits.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define MEMORY_BYTES (2 * 1024 * 1024) /* as ref_server.h has it */
#define GUEST_BYTES  (1024 * 1024)
#define GUEST_IOVA   0x100000

static struct gw_device *open_device(const struct server *s)
{
	struct gw_error e = GW_ERROR_NONE;
	struct gw_device *dev;
	char uri[128];

	snprintf(uri, sizeof(uri), "vfio-user:%s", s->path);
	gw_device_open(&dev, "dev0", uri, &e);
	assert_string_equal(e.what, "");
	assert_non_null(dev);
	assert_string_equal(gw_device_uri(dev), uri);
	return dev;
}

static void fill(uint8_t *bytes, uint64_t seed)
{
	for (uint64_t i = 0; i < MEMORY_BYTES / 8; i++) {
		uint64_t word = refdev_fill_word(seed, i);

		memcpy(bytes + 8 * i, &word, 8);
	}
}

static void check_memory(struct gw_device *dev, uint64_t seed)
{
	uint8_t *want = malloc(MEMORY_BYTES), *got = malloc(MEMORY_BYTES);

	fill(want, seed);
	assert_int_equal(gw_device_region_read(dev, REFDEV_BAR_MEMORY, 0, got, MEMORY_BYTES, NULL), MEMORY_BYTES);
	assert_memory_equal(want, got, MEMORY_BYTES);
	free(want);
	free(got);
}

static void write_memory(struct gw_device *dev, uint64_t seed)
{
	uint8_t *bytes = malloc(MEMORY_BYTES);

	fill(bytes, seed);
	assert_int_equal(gw_device_region_write(dev, REFDEV_BAR_MEMORY, 0, bytes, MEMORY_BYTES, NULL), MEMORY_BYTES);
	free(bytes);
}

/* Moves all that can be read from one to the other. Returns what ended it: 0, -ENOMSG. */
static ssize_t pump(struct gw_device *from, struct gw_device *to, uint64_t *bytes)
{
	uint8_t *buf = malloc(100000);
	ssize_t n;

	while ((n = gw_device_data_read(from, buf, 100000, NULL)) > 0) {
		ssize_t done = 0;

		while (done < n) {
			ssize_t taken = gw_device_data_write(to, buf + done, (size_t)(n - done), NULL);

			assert_true(taken > 0);
			done += taken;
		}
		*bytes += (uint64_t)n;
	}
	free(buf);
	return n;
}

static void move(uint32_t without, int with_precopy)
{
	struct server a, b;
	struct gw_device *from, *to;
	struct gw_precopy_info precopy;
	uint64_t bytes = 0, stop_bytes = 0, serial;
	uint32_t flags;

	server_start(&a, 0x1111, without);
	server_start(&b, 0x2222, without);
	from = open_device(&a);
	to = open_device(&b);
	flags = device_info(from)->migration_flags;
	assert_int_equal(device_info(from)->vendor_id, REFDEV_VENDOR_ID);
	assert_int_equal(device_info(from)->device_id, REFDEV_DEVICE_ID);
	assert_int_equal(device_info(from)->class_revision, REFDEV_CLASS_CODE << 8 | REFDEV_REVISION);
	assert_int_equal(!!(flags & GW_MIGRATION_P2P), !(without & (REF_DEVICE_NO_EXTENSION | REF_DEVICE_NO_P2P)));
	assert_int_equal(!!(device_info(from)->features & GW_FEATURE_DATA_SOCKET),
			 !(without & REF_DEVICE_NO_EXTENSION));
	write_memory(from, 1);
	assert_int_equal(device_walk(to, GW_STATE_RESUMING, NULL, NULL), 0);
	if (with_precopy) {
		assert_int_equal(device_walk(from, GW_STATE_PRE_COPY, NULL, NULL), 0);
		if (device_info(from)->features & GW_FEATURE_PRECOPY_INFO) {
			assert_int_equal(gw_device_precopy_info(from, &precopy, NULL), 0);
			assert_true(precopy.initial_bytes > 0);
		}
		assert_int_equal(pump(from, to, &bytes), -ENOMSG);
		assert_true(bytes > 0);
		write_memory(from, 2);
		assert_int_equal(device_walk(from, device_state_quiesced(flags, GW_STATE_PRE_COPY), NULL, NULL), 0);
	} else {
		write_memory(from, 2);
	}
	if (device_info(from)->features & GW_FEATURE_STOP_SIZE)
		assert_int_equal(gw_device_stop_size(from, &stop_bytes, NULL), 0);
	assert_int_equal(device_walk(from, GW_STATE_STOP_COPY, NULL, NULL), 0);
	bytes = 0;
	assert_int_equal(pump(from, to, &bytes), 0);
	if (stop_bytes)
		assert_true(bytes <= stop_bytes);
	assert_int_equal(device_walk(to, GW_STATE_RUNNING, NULL, NULL), 0);
	assert_int_equal(device_walk(from, GW_STATE_STOP, NULL, NULL), 0);
	check_memory(to, 2);
	assert_int_equal(gw_device_region_read(to, REFDEV_BAR_REGISTERS, REFDEV_REG_SERIAL, &serial, 8, NULL), 8);
	assert_int_equal(serial, 0x1111);
	gw_device_close(from);
	gw_device_close(to);
	server_stop(&a);
	server_stop(&b);
}

static void test_move(void **unused)
{
	move(0, 0);
	move(0, 1);
}

static void test_move_plain(void **unused)
{
	move(REF_DEVICE_NO_EXTENSION, 0);
	move(REF_DEVICE_NO_EXTENSION, 1);
	move(REF_DEVICE_NO_P2P, 1);
}

/* A stream that lost its end is noticed on the way out of RESUMING, and the device is usable afterwards. */
static void test_cut_stream(void **unused)
{
	struct gw_error e = GW_ERROR_NONE;
	struct server a;
	struct gw_device *dev;
	uint8_t *buf = malloc(4096);
	ssize_t n;

	server_start(&a, 1, 0);
	dev = open_device(&a);
	write_memory(dev, 1);
	assert_int_equal(device_walk(dev, GW_STATE_STOP_COPY, NULL, NULL), 0);
	n = gw_device_data_read(dev, buf, 4096, NULL);
	assert_int_equal(n, 4096);
	assert_int_equal(device_walk(dev, GW_STATE_RESUMING, NULL, NULL), 0);
	assert_int_equal(gw_device_data_write(dev, buf, 4096, NULL), 4096);
	assert_true(device_walk(dev, GW_STATE_RUNNING, NULL, &e) < 0);
	assert_non_null(strstr(e.what, "it was reset"));
	assert_int_equal(device_state(dev), GW_STATE_RUNNING);
	free(buf);
	gw_device_close(dev);
	/* Left in STOP by one client, taken up by the next. */
	dev = open_device(&a);
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, NULL), 0);
	gw_device_close(dev);
	dev = open_device(&a);
	assert_int_equal(device_state(dev), GW_STATE_RUNNING);
	gw_device_close(dev);
	server_stop(&a);
}

static void write_register(struct gw_device *dev, uint64_t offset, uint64_t value, size_t width)
{
	assert_int_equal(gw_device_region_write(dev, REFDEV_BAR_REGISTERS, offset, &value, width, NULL), width);
}

/* The device copies 8 KiB of its memory to the guest's: two pages are dirty, and an interrupt comes. */
static void copy_out(struct gw_device *dev, int irq)
{
	uint64_t count;

	write_register(dev, REFDEV_REG_OP_CODE, REFDEV_OP_COPY_OUT, 4);
	write_register(dev, REFDEV_REG_OP_GUEST, GUEST_IOVA + 0x5000, 8);
	write_register(dev, REFDEV_REG_OP_LOCAL, 0, 8);
	write_register(dev, REFDEV_REG_OP_LENGTH, 0x2000, 8);
	write_register(dev, REFDEV_REG_OP_DOORBELL, 1, 4);
	assert_int_equal(read(irq, &count, sizeof(count)), sizeof(count));
}

static void dirty(uint32_t without)
{
	static const struct gw_iova_range range = { GUEST_IOVA, GUEST_BYTES };
	uint64_t bits[GUEST_BYTES / 4096 / 64] = { 0 };
	int fd = memfd_create("guest", MFD_CLOEXEC), irq = eventfd(0, EFD_CLOEXEC), irqs[2] = { irq, -1 };
	struct gw_dma_map map = { .iova = GUEST_IOVA, .size_bytes = GUEST_BYTES, .fd = fd, .prot = 3 };
	struct server a;
	struct gw_device *dev;

	assert_int_equal(ftruncate(fd, GUEST_BYTES), 0);
	map.hva = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	server_start(&a, 1, without);
	dev = open_device(&a);
	write_memory(dev, 3);
	write_register(dev, REFDEV_REG_OP_TAG, 1, 8);
	assert_int_equal(gw_device_region_write(dev, GW_REGION_CONFIG, 4, &(uint16_t){ 6 }, 2, NULL), 2);
	assert_int_equal(gw_device_dma_map(dev, &map, NULL), 0);
	assert_int_equal(gw_device_irq_set(dev, GW_IRQ_MSIX, 0, 2, irqs, NULL), 0);
	assert_int_equal(device_log_start(dev, &range, 1, 4096, NULL), 0);
	copy_out(dev, irq);
	assert_int_equal(device_log_report(dev, GUEST_IOVA, GUEST_BYTES, 4096, bits, NULL), 0);
	assert_int_equal(bits[0], 0x60);
	bits[0] = 0;
	assert_int_equal(device_log_report(dev, GUEST_IOVA, GUEST_BYTES, 4096, bits, NULL), 0);
	assert_int_equal(bits[0], 0);
	copy_out(dev, irq);
	/* The half that is not asked for first is not lost. */
	assert_int_equal(device_log_report(dev, GUEST_IOVA, 0x6000, 4096, bits, NULL), 0);
	assert_int_equal(bits[0], 0x20);
	assert_int_equal(device_log_report(dev, GUEST_IOVA + 0x6000, 0x6000, 4096, bits, NULL), 0);
	assert_int_equal(bits[0], 0x21);
	assert_int_equal(device_log_stop(dev, NULL), 0);
	assert_int_equal(gw_device_dma_unmap(dev, GUEST_IOVA, GUEST_BYTES, NULL), 0);
	assert_int_equal(gw_device_dma_unmap(dev, GUEST_IOVA, GUEST_BYTES, NULL), -ENOENT);
	assert_int_equal(gw_device_irq_set(dev, GW_IRQ_MSIX, 0, 0, NULL, NULL), 0);
	gw_device_close(dev);
	server_stop(&a);
	munmap(map.hva, GUEST_BYTES);
	close(fd);
	close(irq);
}

static void test_dirty_pages(void **unused)
{
	dirty(0);
	dirty(REF_DEVICE_NO_EXTENSION);
}

/* Every mix of what a device may have and lack: its flags say so, and it moves. */
static void test_mixes(void **unused)
{
	static const uint32_t all =
		REF_DEVICE_NO_EXTENSION | REF_DEVICE_NO_P2P | REF_DEVICE_NO_PRECOPY | REF_DEVICE_NO_DMA_LOG;

	for (uint32_t without = 0; without <= all; without++) {
		uint32_t plain = without & REF_DEVICE_NO_EXTENSION, flags = GW_MIGRATION_STOP_COPY, features = 0;
		bool precopy = !(without & REF_DEVICE_NO_PRECOPY);
		struct gw_device *dev;
		struct server a;

		flags |= precopy ? GW_MIGRATION_PRE_COPY : 0;
		flags |= plain || without & REF_DEVICE_NO_P2P ? 0 : GW_MIGRATION_P2P;
		features |= without & REF_DEVICE_NO_DMA_LOG ? 0 : GW_FEATURE_DMA_LOG;
		features |= precopy && !plain ? GW_FEATURE_PRECOPY_INFO | GW_FEATURE_REINIT : 0;
		server_start(&a, 1, without);
		dev = open_device(&a);
		assert_int_equal(device_info(dev)->migration_flags, flags);
		assert_int_equal(device_info(dev)->features &
					 (GW_FEATURE_DMA_LOG | GW_FEATURE_PRECOPY_INFO | GW_FEATURE_REINIT),
				 features);
		gw_device_close(dev);
		server_stop(&a);
		move(without, precopy);
	}
}

static void expect_info(struct gw_device *dev, bool is_read, uint32_t flags)
{
	struct gw_precopy_info info;

	assert_int_equal(gw_device_precopy_info(dev, &info, NULL), 0);
	assert_int_equal(info.initial_bytes == 0, is_read);
	assert_int_equal(info.flags, flags);
}

/* Armed anew in pre-copy and, with the decision taken, once more on the way to P2P; what came is the device. */
static void test_rearmed(void **unused)
{
	struct server a, b;
	struct gw_device *from, *to;
	uint64_t bytes = 0;

	ref_device_options_init(&a.options);
	a.options.state_bytes = MEMORY_BYTES;
	a.options.rearms = a.options.rearms_p2p = 1;
	server_run(&a);
	server_start(&b, 2, 0);
	from = open_device(&a);
	to = open_device(&b);
	write_memory(from, 1);
	assert_int_equal(device_walk(to, GW_STATE_RESUMING, NULL, NULL), 0);
	assert_int_equal(device_walk(from, GW_STATE_PRE_COPY, NULL, NULL), 0);
	expect_info(from, false, 0);
	assert_int_equal(pump(from, to, &bytes), -ENOMSG);
	expect_info(from, true, 0);
	expect_info(from, false, GW_PRECOPY_REINIT);
	assert_int_equal(pump(from, to, &bytes), -ENOMSG);
	expect_info(from, true, 0);
	assert_int_equal(device_walk(from, GW_STATE_PRE_COPY_P2P, NULL, NULL), 0);
	expect_info(from, false, GW_PRECOPY_REINIT);
	/* The decision is taken back, as the device asked. */
	assert_int_equal(device_walk(from, GW_STATE_PRE_COPY, NULL, NULL), 0);
	write_memory(from, 2);
	assert_int_equal(pump(from, to, &bytes), -ENOMSG);
	expect_info(from, true, 0);
	assert_int_equal(device_walk(from, GW_STATE_PRE_COPY_P2P, NULL, NULL), 0);
	expect_info(from, true, 0);
	assert_int_equal(device_walk(from, GW_STATE_STOP_COPY, NULL, NULL), 0);
	assert_int_equal(pump(from, to, &bytes), 0);
	assert_int_equal(device_walk(to, GW_STATE_RUNNING, NULL, NULL), 0);
	check_memory(to, 2);
	gw_device_close(from);
	gw_device_close(to);
	server_stop(&a);
	server_stop(&b);
}

static void test_lacking(void **unused)
{
	struct server a;
	struct gw_device *dev;

	server_start(&a, 1, REF_DEVICE_NO_MIGRATION | REF_DEVICE_NO_DMA_LOG);
	dev = open_device(&a);
	assert_int_equal(device_info(dev)->migration_flags, 0);
	assert_false(device_info(dev)->features & GW_FEATURE_DMA_LOG);
	assert_int_equal(device_walk(dev, GW_STATE_STOP, NULL, NULL), -EINVAL);
	assert_int_equal(device_walk(dev, GW_STATE_RUNNING, NULL, NULL), 0);
	gw_device_close(dev);
	server_stop(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_move),       cmocka_unit_test(test_move_plain),
		cmocka_unit_test(test_cut_stream), cmocka_unit_test(test_dirty_pages),
		cmocka_unit_test(test_mixes),      cmocka_unit_test(test_rearmed),
		cmocka_unit_test(test_lacking),
	};

	return cmocka_run_group_tests_name("device_ref", tests, NULL, NULL);
}
