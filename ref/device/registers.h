/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * BAR 0: the registers of ref/device_registers.h as a struct and a table. The same table gives a driver's accesses,
 * the layout record of the state stream and the encoding of the registers in it, so a register that is added moves
 * with the device by itself. Under the device's lock.
 */
#ifndef REF_DEVICE_REGISTERS_STRUCT_H
#define REF_DEVICE_REGISTERS_STRUCT_H

#include "ref/device/cursor.h"
#include "ref/device/memory.h"
#include "ref/device_registers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ref_device;

struct registers {
	uint32_t magic;
	uint32_t version;
	uint64_t memory_size;
	uint64_t serial;

	uint32_t op_code;
	uint32_t op_status;
	uint64_t op_guest;
	uint64_t op_local;
	uint64_t op_length;
	uint64_t op_seed;
	uint64_t op_tag;
	uint32_t op_error;
	uint64_t op_result;
	uint64_t op_completed;
	uint64_t op_last_tag;
	uint64_t op_progress;
	uint64_t op_rate;

	uint32_t stream_status;
	uint64_t stream_ring;
	uint32_t stream_entries;
	uint32_t stream_error;
	uint64_t stream_consumer;
	uint64_t stream_producer;
	uint64_t stream_rate;
	uint32_t stream_unsignalled; /* no register: records were written since vector STREAM was raised */

	uint32_t peer_status;
	uint64_t peer_ring;
	uint32_t peer_entries;
	uint32_t peer_error;
	uint64_t peer_count;
	uint64_t peer_rate;
};

void ref_registers_reset(struct registers *regs, const struct memory *memory, uint64_t serial);

/* offset + size is inside the BAR. A write is 0, or -EINVAL if it is not one register at its width. */
void ref_registers_read(const struct registers *regs, uint64_t offset, uint8_t *buf, size_t size);
int ref_registers_write(struct ref_device *dev, uint64_t offset, const uint8_t *buf, size_t size);

/* The state stream's records: the layout (offset, width: u32 each) and the values. Sizes in bytes. */
size_t ref_registers_layout_bytes(void);
size_t ref_registers_values_bytes(void);
void ref_registers_layout_encode(struct writer *w);
void ref_registers_encode(const struct registers *regs, struct writer *w);

/* -EBADMSG: ends early, or no device could be in that state. */
int ref_registers_decode(struct registers *regs, struct cursor *c);

/* Whether an operation with these parameters is one; REFDEV_ERROR_*. Guest memory is looked at elsewhere. */
uint32_t ref_registers_check_operation(const struct registers *regs);
uint32_t ref_registers_check_stream(const struct registers *regs);
uint32_t ref_registers_check_peer(const struct registers *regs);

#endif
