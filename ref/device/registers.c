/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The table of registers and what follows from it. What a write sets in motion (doorbell, stream control, rates)
 * is in engine.c and its parts; here a write only finds its register and is let through or not.
 */
#include "ref/device/registers.h"

#include "ref/device/device.h"

#include <errno.h>
#include <string.h>

enum access {
	READ_ONLY,
	OP_PARAMETER,     /* writable unless an operation is in flight */
	STREAM_PARAMETER, /* writable unless the stream runs */
	PEER_PARAMETER,   /* writable unless stamps are written */
	ALWAYS,           /* writable, then the engine is told */
	COMMAND,          /* holds nothing: the engine is told */
};

struct reg {
	uint16_t offset;
	uint16_t width;
	uint16_t at; /* in struct registers */
	uint8_t access;
	bool is_state; /* moves with the device */
};

#define REG(name, field, access, is_state)                                                                        \
	{                                                                                                         \
		name, sizeof(((struct registers *)0)->field), offsetof(struct registers, field), access, is_state \
	}

/* An offset that no driver can reach, for a field that is state but no register. */
#define REG_HIDDEN REFDEV_REGISTERS_SIZE

static const struct reg regs_table[] = {
	REG(REFDEV_REG_MAGIC, magic, READ_ONLY, false),
	REG(REFDEV_REG_VERSION, version, READ_ONLY, false),
	REG(REFDEV_REG_MEMORY_SIZE, memory_size, READ_ONLY, false),
	REG(REFDEV_REG_SERIAL, serial, READ_ONLY, true),
	REG(REFDEV_REG_OP_CODE, op_code, OP_PARAMETER, true),
	REG(REFDEV_REG_OP_STATUS, op_status, READ_ONLY, true),
	REG(REFDEV_REG_OP_GUEST, op_guest, OP_PARAMETER, true),
	REG(REFDEV_REG_OP_LOCAL, op_local, OP_PARAMETER, true),
	REG(REFDEV_REG_OP_LENGTH, op_length, OP_PARAMETER, true),
	REG(REFDEV_REG_OP_SEED, op_seed, OP_PARAMETER, true),
	REG(REFDEV_REG_OP_TAG, op_tag, OP_PARAMETER, true),
	{ REFDEV_REG_OP_DOORBELL, 4, 0, COMMAND, false },
	REG(REFDEV_REG_OP_ERROR, op_error, READ_ONLY, true),
	REG(REFDEV_REG_OP_RESULT, op_result, READ_ONLY, true),
	REG(REFDEV_REG_OP_COMPLETED, op_completed, READ_ONLY, true),
	REG(REFDEV_REG_OP_LAST_TAG, op_last_tag, READ_ONLY, true),
	REG(REFDEV_REG_OP_PROGRESS, op_progress, READ_ONLY, true),
	REG(REFDEV_REG_OP_RATE, op_rate, ALWAYS, true),
	{ REFDEV_REG_STREAM_CONTROL, 4, 0, COMMAND, false },
	REG(REFDEV_REG_STREAM_STATUS, stream_status, READ_ONLY, true),
	REG(REFDEV_REG_STREAM_RING, stream_ring, STREAM_PARAMETER, true),
	REG(REFDEV_REG_STREAM_ENTRIES, stream_entries, STREAM_PARAMETER, true),
	REG(REFDEV_REG_STREAM_ERROR, stream_error, READ_ONLY, true),
	{ REFDEV_REG_STREAM_CONSUMER, 8, offsetof(struct registers, stream_consumer), COMMAND, true },
	REG(REFDEV_REG_STREAM_PRODUCER, stream_producer, READ_ONLY, true),
	REG(REFDEV_REG_STREAM_RATE, stream_rate, ALWAYS, true),
	REG(REG_HIDDEN, stream_unsignalled, READ_ONLY, true),
	{ REFDEV_REG_PEER_CONTROL, 4, 0, COMMAND, false },
	REG(REFDEV_REG_PEER_STATUS, peer_status, READ_ONLY, true),
	REG(REFDEV_REG_PEER_RING, peer_ring, PEER_PARAMETER, true),
	REG(REFDEV_REG_PEER_ENTRIES, peer_entries, PEER_PARAMETER, true),
	REG(REFDEV_REG_PEER_ERROR, peer_error, READ_ONLY, true),
	REG(REFDEV_REG_PEER_COUNT, peer_count, READ_ONLY, true),
	REG(REFDEV_REG_PEER_RATE, peer_rate, ALWAYS, true),
};

#define NR_REGS (sizeof(regs_table) / sizeof(regs_table[0]))

void ref_registers_reset(struct registers *regs, const struct memory *memory, uint64_t serial)
{
	*regs = (struct registers){
		.magic = REFDEV_MAGIC,
		.version = REFDEV_VERSION,
		.memory_size = memory->size,
		.serial = serial,
	};
}

/* `at` is 0, the magic number's, only for the registers that hold nothing: these read as 0. */
static bool holds_value(const struct reg *reg)
{
	return reg->at || reg->offset == REFDEV_REG_MAGIC;
}

void ref_registers_read(const struct registers *regs, uint64_t offset, uint8_t *buf, size_t size)
{
	uint8_t image[REFDEV_REGISTERS_SIZE + sizeof(uint64_t)] = { 0 };

	for (size_t i = 0; i < NR_REGS; i++)
		if (holds_value(&regs_table[i]))
			memcpy(image + regs_table[i].offset, (const uint8_t *)regs + regs_table[i].at,
			       regs_table[i].width);
	memcpy(buf, image + offset, size);
}

static bool is_writable(const struct registers *regs, const struct reg *reg)
{
	switch ((enum access)reg->access) {
	case READ_ONLY:
		return false;
	case OP_PARAMETER:
		return regs->op_status != REFDEV_STATUS_BUSY;
	case STREAM_PARAMETER:
		return regs->stream_status != REFDEV_STATUS_BUSY;
	case PEER_PARAMETER:
		return regs->peer_status != REFDEV_STATUS_BUSY;
	case ALWAYS:
	case COMMAND:
		break;
	}
	return true;
}

int ref_registers_write(struct ref_device *dev, uint64_t offset, const uint8_t *buf, size_t size)
{
	uint64_t value = 0;

	if (size != 4 && size != 8)
		return -EINVAL;
	memcpy(&value, buf, size);
	for (size_t i = 0; i < NR_REGS; i++) {
		const struct reg *reg = &regs_table[i];

		if (reg->offset + reg->width <= offset || offset + size <= reg->offset)
			continue;
		if (reg->offset != offset || reg->width != size)
			return -EINVAL;
		if (is_writable(&dev->regs, reg) && reg->access != COMMAND)
			memcpy((uint8_t *)&dev->regs + reg->at, buf, size);
		if (reg->access == ALWAYS || reg->access == COMMAND)
			ref_engine_register_written(dev, reg->offset, value);
		return 0;
	}
	return 0; /* no register there: dropped */
}

size_t ref_registers_layout_bytes(void)
{
	size_t bytes = 0;

	for (size_t i = 0; i < NR_REGS; i++)
		bytes += regs_table[i].is_state ? 2 * sizeof(uint32_t) : 0;
	return bytes;
}

size_t ref_registers_values_bytes(void)
{
	size_t bytes = 0;

	for (size_t i = 0; i < NR_REGS; i++)
		bytes += regs_table[i].is_state ? regs_table[i].width : 0;
	return bytes;
}

void ref_registers_layout_encode(struct writer *w)
{
	for (size_t i = 0; i < NR_REGS; i++) {
		if (!regs_table[i].is_state)
			continue;
		writer_u32(w, regs_table[i].offset);
		writer_u32(w, regs_table[i].width);
	}
}

void ref_registers_encode(const struct registers *regs, struct writer *w)
{
	for (size_t i = 0; i < NR_REGS; i++)
		if (regs_table[i].is_state)
			writer_put(w, (const uint8_t *)regs + regs_table[i].at, regs_table[i].width);
}

uint32_t ref_registers_check_operation(const struct registers *regs)
{
	uint64_t all = regs->op_guest | regs->op_local | regs->op_length;

	if (regs->op_code < REFDEV_OP_FILL || regs->op_code > REFDEV_OP_CHECKSUM)
		return REFDEV_ERROR_CODE;
	if (all % 8 || !regs->op_length || regs->op_length > regs->memory_size ||
	    regs->op_local > regs->memory_size - regs->op_length)
		return REFDEV_ERROR_RANGE;
	return regs->op_guest > UINT64_MAX - regs->op_length ? REFDEV_ERROR_RANGE : REFDEV_ERROR_NONE;
}

static bool is_ring(uint64_t at, uint32_t entries, size_t entry_bytes)
{
	if (!entries || entries > REFDEV_STREAM_MAX_ENTRIES || entries & (entries - 1))
		return false;
	return !(at % entry_bytes) && at <= UINT64_MAX - (uint64_t)entries * entry_bytes;
}

uint32_t ref_registers_check_stream(const struct registers *regs)
{
	uint32_t entries = regs->stream_entries;

	if (!is_ring(regs->stream_ring, entries, sizeof(struct refdev_record)))
		return REFDEV_ERROR_RANGE;
	if (regs->stream_consumer > regs->stream_producer || regs->stream_producer - regs->stream_consumer > entries)
		return REFDEV_ERROR_INDEX;
	return REFDEV_ERROR_NONE;
}

uint32_t ref_registers_check_peer(const struct registers *regs)
{
	return is_ring(regs->peer_ring, regs->peer_entries, sizeof(struct refdev_slot)) ? REFDEV_ERROR_NONE
											: REFDEV_ERROR_RANGE;
}

static bool is_possible_peer(const struct registers *regs)
{
	if (regs->peer_status > REFDEV_STATUS_ERROR || regs->peer_status == REFDEV_STATUS_DONE ||
	    regs->peer_error > REFDEV_ERROR_INDEX)
		return false;
	return regs->peer_status != REFDEV_STATUS_BUSY || !ref_registers_check_peer(regs);
}

/* The states that the engine relies on when it goes on with what it finds. */
static bool is_possible(const struct registers *regs)
{
	if (regs->op_status > REFDEV_STATUS_ERROR || regs->op_error > REFDEV_ERROR_INDEX)
		return false;
	if (regs->op_status == REFDEV_STATUS_BUSY &&
	    (ref_registers_check_operation(regs) || regs->op_progress >= regs->op_length || regs->op_progress % 8))
		return false;
	if (regs->stream_status > REFDEV_STATUS_ERROR || regs->stream_status == REFDEV_STATUS_DONE ||
	    regs->stream_error > REFDEV_ERROR_INDEX)
		return false;
	if (regs->stream_status == REFDEV_STATUS_BUSY && ref_registers_check_stream(regs))
		return false;
	if (regs->stream_consumer > regs->stream_producer || regs->stream_unsignalled > 1)
		return false;
	return is_possible_peer(regs);
}

int ref_registers_decode(struct registers *regs, struct cursor *c)
{
	for (size_t i = 0; i < NR_REGS; i++)
		if (regs_table[i].is_state)
			cursor_copy(c, (uint8_t *)regs + regs_table[i].at, regs_table[i].width);
	return c->bad || !is_possible(regs) ? -EBADMSG : 0;
}
