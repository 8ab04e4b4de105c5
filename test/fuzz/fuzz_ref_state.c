/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what the reference device believes of a state stream. The first byte chooses: the input is a stream; or it
 * is a list of edits (offset u16, value u8) to a sound one; or it is the registers alone, which the engine must then
 * be able to live with, for the digest keeps accidents out but not intent; or it is edits to a sound stream whose
 * initial part was armed anew, of a memory of zeroes, so that an offset reaches all of it.
 */
#include "ref/device/cursor.h"
#include "ref/device/device.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MEMORY_BYTES ((uint64_t)64 << 10)
#define STREAM_ROOM  ((size_t)80 << 10)
#define CAPS         (MIG_CAP_STOP_COPY | MIG_CAP_PRE_COPY | MIG_CAP_P2P)

static void load(struct ref_device *dev, const uint8_t *stream, size_t size, size_t bite)
{
	uint64_t done_ns;

	fuzz_check(!ref_migration_set(dev, MIG_RESUMING, CAPS));
	for (size_t at = 0; at < size; at += bite)
		ref_migration_write(dev, stream + at, bite < size - at ? bite : size - at, &done_ns);
	fuzz_check(!ref_migration_set(dev, MIG_RUNNING, CAPS) || ref_migration_state(dev) == MIG_RESUMING);
}

static void fuzz_stream(struct ref_device *dev, struct cursor *c)
{
	load(dev, c->at, c->left, 1 + c->left / 7);
}

static size_t read_state(struct ref_device *dev, uint8_t *stream, size_t room)
{
	uint64_t done_ns;
	ssize_t size = ref_migration_read(dev, stream, room, &done_ns);

	fuzz_check(size >= 0);
	return (size_t)size;
}

static void load_edited(struct ref_device *dev, uint8_t *stream, size_t size, struct cursor *c)
{
	while (size && c->left >= 3) {
		size_t at = cursor_u16(c) % size;

		stream[at] = *cursor_take(c, 1);
	}
	load(dev, stream, size, 4096);
}

static void fuzz_edits(struct ref_device *dev, struct cursor *c)
{
	uint8_t *stream = malloc(STREAM_ROOM);

	fuzz_check(stream && !ref_migration_set(dev, MIG_STOP_COPY, CAPS));
	load_edited(dev, stream, read_state(dev, stream, STREAM_ROOM), c);
	free(stream);
}

static void fuzz_rearmed(struct ref_device *dev, struct cursor *c)
{
	uint8_t *stream = malloc(STREAM_ROOM);
	struct precopy_left left;
	size_t size;

	ref_migration_opt_in(dev);
	memset(dev->memory.data, 0, dev->memory.size);
	fuzz_check(stream && !ref_migration_set(dev, MIG_PRE_COPY, CAPS));
	size = read_state(dev, stream, STREAM_ROOM);
	fuzz_check(!ref_migration_precopy_left(dev, &left) && !left.initial);
	fuzz_check(!ref_migration_precopy_left(dev, &left) && left.reinit);
	fuzz_check(!ref_migration_set(dev, MIG_STOP_COPY, CAPS));
	size += read_state(dev, stream + size, STREAM_ROOM - size);
	load_edited(dev, stream, size, c);
	free(stream);
}

static void fuzz_registers(struct ref_device *dev, struct cursor *c)
{
	struct registers regs = dev->regs;

	if (ref_registers_decode(&regs, c))
		return;
	pthread_mutex_lock(&dev->lock);
	dev->regs = regs;
	ref_engine_carry_over(&dev->engine);
	ref_engine_wake(dev);
	ref_engine_hold(dev);
	ref_engine_release(dev);
	pthread_mutex_unlock(&dev->lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const ways[])(struct ref_device *, struct cursor *) = { fuzz_stream, fuzz_edits, fuzz_registers,
									      fuzz_rearmed };
	struct ref_device_options options;
	struct ref_device dev;
	struct cursor c = cursor_over(data, size);
	const uint8_t *first = cursor_take(&c, 1);

	if (!first)
		return 0;
	ref_device_options_init(&options);
	options.state_bytes = MEMORY_BYTES;
	options.rearms = 1;
	if (ref_device_init(&dev, &options, -1))
		return 0;
	ref_device_attach(&dev);
	ways[*first % 4](&dev, &c);
	ref_device_detach(&dev);
	ref_device_fini(&dev);
	return 0;
}
