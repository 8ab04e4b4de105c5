/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Fuzzes what the reference VM believes of a guest's state, which comes from a peer. The first byte chooses: the input
 * is a state, or a list of edits (offset u16, value u8) to a sound one. A guest that took it is then looked at, run
 * for a moment, ticked and saved: it may find errors, it must not be one.
 */
#include "ref/guest/guest.h"
#include "test/fuzz/fuzz.h"

#include "ref/device_registers.h"

#include <stdlib.h>
#include <string.h>

#define NR_DEVICES   2
#define NR_VCPUS     2
#define MEMORY_BYTES ((uint64_t)1 << 20)
#define STATE_ROOM   4096
#define FAR_LATER_NS ((uint64_t)1 << 62)

static const uint16_t ids[NR_DEVICES][2] = { { REFDEV_VENDOR_ID, REFDEV_DEVICE_ID }, { 0x4348, 0x3253 } };

static int info(void *ctx, struct gw_device_info *info, struct gw_error *e)
{
	const uint16_t *id = ctx;

	*info = (struct gw_device_info){ .vendor_id = id[0], .device_id = id[1] };
	return 0;
}

static ssize_t region_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size, struct gw_error *e)
{
	memset(buf, 0, size);
	return (ssize_t)size;
}

static ssize_t region_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size,
			    struct gw_error *e)
{
	return (ssize_t)size;
}

static int irq_set(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *eventfds, struct gw_error *e)
{
	return 0;
}

static const struct gw_device_ops ops = {
	.size = sizeof(ops),
	.info = info,
	.region_read = region_read,
	.region_write = region_write,
	.irq_set = irq_set,
};

static void live(struct guest *guest)
{
	uint8_t state[STATE_ROOM];
	struct guest_counters counters;

	guest_check(guest);
	for (uint32_t i = 0; i < NR_DEVICES; i++)
		guest->devices[i].driver->tick(guest->devices[i].driver_ctx, FAR_LATER_NS);
	guest_resume(guest);
	guest_pause(guest);
	guest_get_counters(guest, &counters);
	fuzz_check(guest_save(guest, state, sizeof(state)) <= STATE_ROOM);
}

static void load(struct guest *guest, const uint8_t *state, size_t size)
{
	struct gw_error e = GW_ERROR_NONE;

	if (guest_load(guest, state, size, &e))
		fuzz_check(e.code && e.what[0]);
	else
		live(guest);
}

static void load_edited(struct guest *guest, const uint8_t *edits, size_t size)
{
	uint8_t state[STATE_ROOM];
	ssize_t n = guest_save(guest, state, sizeof(state));

	fuzz_check(n > 0 && n <= STATE_ROOM);
	for (; size >= 3; edits += 3, size -= 3)
		state[(edits[0] | edits[1] << 8) % n] = edits[2];
	load(guest, state, (size_t)n);
}

static void run(struct guest_memory *memory, struct gw_device *const *devices, const uint8_t *data, size_t size)
{
	struct gw_device_info infos[NR_DEVICES];
	struct guest_config config = {
		.memory = memory,
		.devices = devices,
		.infos = infos,
		.nr_devices = NR_DEVICES,
		.nr_vcpus = NR_VCPUS,
		.seed = 1,
	};
	struct guest guest;

	for (uint32_t i = 0; i < NR_DEVICES; i++)
		fuzz_check(!gw_device_get_info(devices[i], &infos[i], NULL));
	if (guest_open(&guest, &config, NULL))
		return;
	if (data[0] % 2)
		load_edited(&guest, data + 1, size - 1);
	else
		load(&guest, data + 1, size - 1);
	guest_close(&guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_memory memory = { .size_bytes = MEMORY_BYTES, .fd = -1, .nr_blocks = 1 };
	struct gw_device *devices[NR_DEVICES];

	if (!size)
		return 0;
	memory.hva = aligned_alloc(GW_PAGE_BYTES, MEMORY_BYTES);
	fuzz_check(memory.hva);
	memset(memory.hva, 0, MEMORY_BYTES);
	for (uint32_t i = 0; i < NR_DEVICES; i++)
		fuzz_check(!gw_device_from_ops(&devices[i], i ? "dev1" : "dev0", &ops, (void *)ids[i], NULL));
	run(&memory, devices, data, size);
	for (uint32_t i = 0; i < NR_DEVICES; i++)
		gw_device_close(devices[i]);
	free(memory.hva);
	return 0;
}
