/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device's state stream, shared by save and load. Its own format, little-endian:
 *
 *   head      magic u64, version u32, head bytes u32, memory bytes u64, block bytes u32, layout bytes u32,
 *             device bytes u32, 0 u32
 *   records   type u32, payload bytes u32, number u64, payload
 *
 * in this order: one LAYOUT (offset u32 and width u32 of every register that moves), any number of BLOCK and ZERO
 * (number: which block of local memory; a later one replaces an earlier one) and REARM, one DEVICE (registers in the
 * order of the layout, pending vectors u32, configuration space, MSI-X table), one TRAILER (number: how many REARM
 * there were; digest u64). Nothing follows. Every block comes at least once. The digest is of the whole state as the
 * destination ends up with it, see state_digest.h; up to the DEVICE record the stream may be made while the device
 * runs.
 *
 * REARM (number: which one, from 1; blocks u64) says that the initial part comes anew: the next records are the blocks
 * from 0 to blocks - 1, in order, with nothing between. So a set that is lost, or cut short, is refused.
 */
#ifndef REF_DEVICE_STATE_FORMAT_H
#define REF_DEVICE_STATE_FORMAT_H

#include "ref/device/cursor.h"
#include "ref/device/memory.h"
#include "ref/device/pci.h"
#include "ref/device/registers.h"

#define STATE_MAGIC        0x6574617473646772ull /* "rgdstate" */
#define STATE_VERSION      1
#define STATE_HEAD_BYTES   40
#define STATE_RECORD_BYTES 16
#define STATE_DIGEST_BYTES 8
#define STATE_REARM_BYTES  8

enum state_record_type {
	STATE_LAYOUT = 1,
	STATE_BLOCK = 2,
	STATE_ZERO = 3,
	STATE_DEVICE = 4,
	STATE_TRAILER = 5,
	STATE_REARM = 6,
};

struct state_record {
	uint32_t type;
	uint32_t bytes;
	uint64_t number;
};

/* Room for the largest thing that is encoded or decoded at once, blocks aside. */
#define STATE_SMALL_BYTES 1024

static inline size_t state_device_bytes(void)
{
	return ref_registers_values_bytes() + sizeof(uint32_t) + PCI_CONFIG_BYTES + PCI_TABLE_BYTES;
}

static inline void state_head_encode(struct writer *w, const struct memory *memory)
{
	writer_u64(w, STATE_MAGIC);
	writer_u32(w, STATE_VERSION);
	writer_u32(w, STATE_HEAD_BYTES);
	writer_u64(w, memory->size);
	writer_u32(w, MEMORY_BLOCK_BYTES);
	writer_u32(w, (uint32_t)ref_registers_layout_bytes());
	writer_u32(w, (uint32_t)state_device_bytes());
	writer_u32(w, 0);
}

static inline void state_record_encode(struct writer *w, const struct state_record *record)
{
	writer_u32(w, record->type);
	writer_u32(w, record->bytes);
	writer_u64(w, record->number);
}

static inline struct state_record state_record_decode(struct cursor *c)
{
	struct state_record record = { .type = cursor_u32(c) };

	record.bytes = cursor_u32(c);
	record.number = cursor_u64(c);
	return record;
}

#endif
