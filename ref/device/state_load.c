/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loading: a small thing (head, record header, payload that is not a block) is collected until it is whole and then
 * decoded by its row in the table of parts, which says what comes next. A block goes to its place as it comes, and
 * its digest is made from there, so that the digest speaks of what the device has and not of what was received.
 */
#include "ref/device/state_load.h"

#include "ref/device/bits.h"
#include "ref/device/device.h"
#include "ref/device/fault.h"
#include "ref/device/shared_copy.h"
#include "ref/device/state_digest.h"
#include "ref/device/state_format.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum part { PART_HEAD, PART_RECORD, PART_LAYOUT, PART_BLOCK, PART_REARM, PART_DEVICE, PART_TRAILER, PART_END };

struct state_load {
	struct ref_device *dev;
	int error;         /* sticks */
	bool forgiven;     /* a fault lets a flaw pass: what comes is taken, and is not looked at */
	uint64_t position; /* bytes that came */
	enum part part;
	size_t want; /* bytes of the part */
	size_t have;
	uint64_t block;     /* PART_BLOCK: which */
	uint32_t last_type; /* of the records so far */
	uint64_t *seen;     /* a bit a block */
	uint64_t nr_seen;
	uint64_t nr_rearms;
	uint64_t set_next; /* of the last REARM's blocks: which comes next, */
	uint64_t set_end;  /* and how many they are */
	uint64_t claimed;  /* the trailer's digest */
	struct state_digest digest;
	struct registers regs;
	struct pci pci;
	uint32_t pending;
	uint8_t small[STATE_SMALL_BYTES];
	uint8_t bounce[MEMORY_BLOCK_BYTES];
};

static const uint8_t zeroes[MEMORY_BLOCK_BYTES];

static int expect(struct state_load *load, enum part part, size_t want)
{
	load->part = part;
	load->want = want;
	load->have = 0;
	return 0;
}

struct state_load *ref_state_load_new(struct ref_device *dev)
{
	struct state_load *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	load->dev = dev;
	load->seen = calloc(bits_words(dev->memory.nr_blocks), sizeof(uint64_t));
	if (!load->seen || ref_state_digest_init(&load->digest, dev->memory.nr_blocks)) {
		ref_state_load_free(load);
		return NULL;
	}
	pthread_mutex_lock(&dev->lock);
	load->regs = dev->regs;
	load->pci = dev->pci;
	pthread_mutex_unlock(&dev->lock);
	expect(load, PART_HEAD, STATE_HEAD_BYTES);
	return load;
}

void ref_state_load_free(struct state_load *load)
{
	if (!load)
		return;
	ref_state_digest_fini(&load->digest);
	free(load->seen);
	free(load);
}

/* The head says everything about the device that must be the same here: so it must be the same bytes. */
static int decode_head(struct state_load *load, struct cursor *c)
{
	uint8_t mine[STATE_HEAD_BYTES];
	struct writer w = writer_over(mine, sizeof(mine));

	state_head_encode(&w, &load->dev->memory);
	if (cursor_u64(c) != STATE_MAGIC)
		return -EBADMSG;
	if (memcmp(load->small, mine, sizeof(mine)))
		return -EINVAL;
	return expect(load, PART_RECORD, STATE_RECORD_BYTES);
}

static int decode_layout(struct state_load *load, struct cursor *c)
{
	uint8_t mine[STATE_SMALL_BYTES];
	struct writer w = writer_over(mine, sizeof(mine));

	ref_registers_layout_encode(&w);
	if (memcmp(load->small, mine, load->want))
		return -EINVAL;
	return expect(load, PART_RECORD, STATE_RECORD_BYTES);
}

/* A block is in its place: what is there counts. */
static int block_landed(struct state_load *load)
{
	struct memory *memory = &load->dev->memory;
	size_t bytes = ref_memory_block_bytes(memory, load->block);

	shared_read(load->bounce, memory->data + load->block * MEMORY_BLOCK_BYTES, bytes);
	ref_state_digest_block(&load->digest, load->block, load->bounce, bytes);
	load->nr_seen += !bits_test(load->seen, load->block);
	bits_set(load->seen, load->block);
	return expect(load, PART_RECORD, STATE_RECORD_BYTES);
}

/* Memory that is zero already is not written, so that what nobody ever used costs nothing here either. */
static int zero_block(struct state_load *load)
{
	uint8_t *data = load->dev->memory.data + load->block * MEMORY_BLOCK_BYTES;
	size_t bytes = ref_memory_block_bytes(&load->dev->memory, load->block);

	shared_read(load->bounce, data, bytes);
	if (memcmp(load->bounce, zeroes, bytes))
		shared_write(data, zeroes, bytes);
	return block_landed(load);
}

static bool in_set(const struct state_load *load)
{
	return load->set_next < load->set_end;
}

/* Blocks, zero blocks and sets of them mix; beside them every type comes once, in order. */
static bool may_follow(const struct state_load *load, uint32_t type)
{
	uint32_t last = load->last_type;
	bool blocks = last == STATE_BLOCK || last == STATE_ZERO;

	switch (type) {
	case STATE_LAYOUT:
		return last == 0;
	case STATE_BLOCK:
	case STATE_ZERO:
		return last == STATE_LAYOUT || last == STATE_REARM || blocks;
	case STATE_REARM:
		return (last == STATE_LAYOUT || blocks) && !in_set(load);
	case STATE_DEVICE:
		return blocks && !in_set(load);
	case STATE_TRAILER:
		return last == STATE_DEVICE;
	}
	return false;
}

static int begin_block(struct state_load *load, const struct state_record *record)
{
	if (record->number >= load->dev->memory.nr_blocks)
		return -EBADMSG;
	if (in_set(load) && record->number != load->set_next++)
		return -EBADMSG;
	load->block = record->number;
	if (record->type == STATE_ZERO)
		return record->bytes ? -EBADMSG : zero_block(load);
	if (record->bytes != ref_memory_block_bytes(&load->dev->memory, load->block))
		return -EBADMSG;
	return expect(load, PART_BLOCK, record->bytes);
}

static int decode_record(struct state_load *load, struct cursor *c)
{
	const struct small {
		uint32_t type;
		enum part part;
		size_t bytes;
		uint64_t number;
	} smalls[] = {
		{ STATE_LAYOUT, PART_LAYOUT, ref_registers_layout_bytes(), 0 },
		{ STATE_REARM, PART_REARM, STATE_REARM_BYTES, load->nr_rearms + 1 },
		{ STATE_DEVICE, PART_DEVICE, state_device_bytes(), 0 },
		{ STATE_TRAILER, PART_TRAILER, STATE_DIGEST_BYTES, load->nr_rearms },
	};
	struct state_record record = state_record_decode(c);

	if (!may_follow(load, record.type))
		return -EBADMSG;
	load->last_type = record.type;
	if (record.type == STATE_BLOCK || record.type == STATE_ZERO)
		return begin_block(load, &record);
	for (size_t i = 0; i < sizeof(smalls) / sizeof(smalls[0]); i++)
		if (smalls[i].type == record.type && smalls[i].bytes == record.bytes &&
		    smalls[i].number == record.number)
			return expect(load, smalls[i].part, record.bytes);
	return -EBADMSG;
}

static int decode_rearm(struct state_load *load, struct cursor *c)
{
	load->nr_rearms++;
	load->set_next = 0;
	load->set_end = cursor_u64(c);
	if (!load->set_end)
		return -EBADMSG; /* too many need no check: the block that is none is refused */
	return expect(load, PART_RECORD, STATE_RECORD_BYTES);
}

static int decode_device(struct state_load *load, struct cursor *c)
{
	const uint8_t *config, *table;
	int ret;

	ref_state_digest_device(&load->digest, load->small, load->want);
	ret = ref_registers_decode(&load->regs, c);
	load->pending = cursor_u32(c);
	config = cursor_take(c, PCI_CONFIG_BYTES);
	table = cursor_take(c, PCI_TABLE_BYTES);
	if (ret || c->bad || load->pending >> REFDEV_NR_VECTORS)
		return -EBADMSG;
	ref_pci_config_write(&load->pci, 0, config, PCI_CONFIG_BYTES);
	ref_pci_msix_write(&load->pci, REFDEV_MSIX_TABLE, table, PCI_TABLE_BYTES);
	return expect(load, PART_RECORD, STATE_RECORD_BYTES);
}

static int decode_trailer(struct state_load *load, struct cursor *c)
{
	load->claimed = cursor_u64(c);
	return expect(load, PART_END, 0);
}

static int (*const decoders[])(struct state_load *, struct cursor *) = {
	[PART_HEAD] = decode_head,   [PART_RECORD] = decode_record, [PART_LAYOUT] = decode_layout,
	[PART_REARM] = decode_rearm, [PART_DEVICE] = decode_device, [PART_TRAILER] = decode_trailer,
};

/* Takes what belongs to the part at hand: bytes taken, or -errno. */
static ssize_t take(struct state_load *load, const uint8_t *buf, size_t size)
{
	size_t left = load->want - load->have, n = left < size ? left : size;
	struct cursor c = cursor_over(load->small, load->want);
	int ret = 0;

	if (load->part == PART_END)
		return -EBADMSG;
	if (load->part == PART_BLOCK)
		shared_write(load->dev->memory.data + load->block * MEMORY_BLOCK_BYTES + load->have, buf, n);
	else
		memcpy(load->small + load->have, buf, n);
	load->have += n;
	if (load->have == load->want)
		ret = load->part == PART_BLOCK ? block_landed(load) : decoders[load->part](load, &c);
	return ret ? ret : (ssize_t)n;
}

static bool is_one_bit(uint64_t word)
{
	return word && !(word & (word - 1));
}

/* What was wrong with the bytes that take() refused. */
static enum load_flaw flaw_of(const struct state_load *load, int error, const uint8_t *buf, size_t size)
{
	const uint64_t magic = STATE_MAGIC;
	uint64_t word;

	if (load->part == PART_END)
		return memcmp(buf, &magic, size < sizeof(magic) ? size : sizeof(magic)) ? LOAD_EXTRA : LOAD_DOUBLED;
	if (error == -EINVAL)
		return LOAD_FOREIGN;
	if (load->part != PART_HEAD)
		return LOAD_RECORD;
	memcpy(&word, load->small, sizeof(word));
	return is_one_bit(le64toh(word) ^ magic) ? LOAD_HEAD_BIT : LOAD_GARBAGE;
}

/* 0: a fault lets it pass. By another it is refused, and forgotten: whoever goes on is let go on. */
static int refuse(struct state_load *load, enum load_flaw flaw, int error)
{
	struct strike strike = ref_fault_at(load->dev, FAULT_LOAD, flaw, 0, 0, load->position);

	if (strike.ret)
		error = strike.ret;
	load->forgiven = strike.action == FAULT_ACCEPT || strike.action == FAULT_IGNORE;
	load->error = load->forgiven ? 0 : error;
	return strike.action == FAULT_ACCEPT ? 0 : error;
}

int ref_state_load_write(struct state_load *load, const void *buf, size_t size)
{
	const uint8_t *at = buf;

	load->position += size;
	while (!load->error && !load->forgiven && size) {
		ssize_t n = take(load, at, size);

		if (n < 0)
			return refuse(load, flaw_of(load, (int)n, at, size), (int)n);
		at += n;
		size -= (size_t)n;
	}
	return load->error;
}

static enum load_flaw whole_flaw(const struct state_load *load)
{
	uint64_t off;

	if (load->forgiven)
		return LOAD_GOOD;
	if (load->part == PART_HEAD)
		return load->have ? LOAD_STUB : LOAD_EMPTY;
	if (load->part != PART_END)
		return load->part == PART_TRAILER ? LOAD_UNFINISHED : LOAD_TRUNCATED;
	if (load->nr_seen != load->dev->memory.nr_blocks)
		return LOAD_RECORD;
	off = load->claimed ^ ref_state_digest_whole(&load->digest);
	if (!off)
		return LOAD_GOOD;
	return is_one_bit(off) ? LOAD_SUM_BIT : LOAD_DIGEST;
}

static int check_whole(struct state_load *load)
{
	enum load_flaw flaw = whole_flaw(load);

	if (load->error || load->forgiven || flaw == LOAD_GOOD)
		return load->error;
	return refuse(load, flaw, -EBADMSG);
}

/* A stream without a flaw, by a fault: refused, not taken, or taken wrongly. */
static struct strike strike_good(struct state_load *load)
{
	struct memory *memory = &load->dev->memory;
	struct strike strike = { .action = FAULT_NONE };

	if (!load->forgiven)
		strike = ref_fault_at(load->dev, FAULT_LOAD, LOAD_GOOD, 0, 0, load->position);
	if (strike.action == FAULT_IGNORE)
		ref_memory_fill(memory, load->dev->options->serial);
	if (strike.action == FAULT_FLIP && strike.at < memory->size)
		memory->data[strike.at] ^= 1;
	return strike;
}

bool ref_state_load_has_failed(const struct state_load *load)
{
	return load->error != 0;
}

int ref_state_load_finish(struct state_load *load)
{
	struct ref_device *dev = load->dev;
	struct strike strike;

	load->error = check_whole(load);
	if (load->error)
		return load->error;
	strike = strike_good(load);
	load->error = strike.ret;
	if (strike.ret || strike.action == FAULT_IGNORE)
		return strike.ret;
	pthread_mutex_lock(&dev->lock);
	dev->regs = load->regs;
	dev->pci = load->pci;
	dev->irqs.pending = load->pending;
	ref_engine_reset(&dev->engine);
	ref_engine_carry_over(&dev->engine);
	pthread_mutex_unlock(&dev->lock);
	return 0;
}
