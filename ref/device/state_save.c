/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Saving: one record at a time is staged, and handed out in whatever bites the reader takes. A block is taken off
 * the dirty set before it is copied, so a write during the copy makes it dirty again and it is sent again.
 */
#include "ref/device/state_save.h"

#include "ref/device/device.h"
#include "ref/device/shared_copy.h"
#include "ref/device/state_digest.h"
#include "ref/device/state_format.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_INITIAL ((uint64_t)1 << 20)
#define BLOCK_RECORD    ((uint64_t)(STATE_RECORD_BYTES + MEMORY_BLOCK_BYTES))
#define REARM_RECORD    ((uint64_t)(STATE_RECORD_BYTES + STATE_REARM_BYTES))

enum stage { STAGE_HEAD, STAGE_BLOCKS, STAGE_TRAILER, STAGE_END };

struct state_save {
	struct ref_device *dev;
	enum stage stage;
	bool finishing;
	bool begun;            /* its first byte was read */
	uint64_t next_block;   /* where the search for a dirty one goes on */
	uint64_t nr_initial;   /* blocks of the initial part: the first ones */
	uint64_t initial_sent; /* of them */
	uint64_t nr_rearms;    /* how often the initial part was armed anew */
	bool rearm_due;        /* the REARM record of the last time is still to be staged */
	bool staged_is_initial;
	size_t staged; /* bytes of the record */
	size_t taken;  /* of them handed out */
	struct state_digest digest;
	uint8_t record[STATE_RECORD_BYTES + MEMORY_BLOCK_BYTES];
};

static const uint8_t zeroes[MEMORY_BLOCK_BYTES];

static uint64_t initial_blocks(const struct ref_device *dev)
{
	uint64_t quarter = dev->memory.size / 4;
	uint64_t bytes = dev->options->initial_bytes, blocks;

	if (bytes == UINT64_MAX)
		bytes = quarter < DEFAULT_INITIAL ? quarter : DEFAULT_INITIAL;
	blocks = bytes / MEMORY_BLOCK_BYTES + (bytes % MEMORY_BLOCK_BYTES != 0);
	return blocks < dev->memory.nr_blocks ? blocks : dev->memory.nr_blocks;
}

struct state_save *ref_state_save_new(struct ref_device *dev)
{
	struct state_save *save = calloc(1, sizeof(*save));

	if (!save)
		return NULL;
	save->dev = dev;
	save->nr_initial = initial_blocks(dev);
	if (ref_state_digest_init(&save->digest, dev->memory.nr_blocks)) {
		free(save);
		return NULL;
	}
	pthread_mutex_lock(&dev->lock);
	ref_memory_track(&dev->memory);
	pthread_mutex_unlock(&dev->lock);
	return save;
}

void ref_state_save_free(struct state_save *save)
{
	if (!save)
		return;
	ref_state_digest_fini(&save->digest);
	free(save);
}

void ref_state_save_finish(struct state_save *save)
{
	save->finishing = true;
}

static struct writer stage_writer(struct state_save *save)
{
	return writer_over(save->record, sizeof(save->record));
}

static void stage_end(struct state_save *save, const struct writer *w)
{
	save->staged = sizeof(save->record) - w->left;
	save->taken = 0;
}

static void stage_head(struct state_save *save)
{
	struct state_record record = { .type = STATE_LAYOUT, .bytes = (uint32_t)ref_registers_layout_bytes() };
	struct writer w = stage_writer(save);

	state_head_encode(&w, &save->dev->memory);
	state_record_encode(&w, &record);
	ref_registers_layout_encode(&w);
	stage_end(save, &w);
	save->staged_is_initial = true;
	save->stage = STAGE_BLOCKS;
}

static void stage_rearm(struct state_save *save)
{
	struct state_record record = { .type = STATE_REARM, .bytes = STATE_REARM_BYTES, .number = save->nr_rearms };
	struct writer w = stage_writer(save);

	state_record_encode(&w, &record);
	writer_u64(&w, save->nr_initial);
	stage_end(save, &w);
	save->staged_is_initial = true;
	save->rearm_due = false;
}

/* false: no block is dirty. */
static bool stage_block(struct state_save *save)
{
	struct memory *memory = &save->dev->memory;
	uint8_t *data = save->record + STATE_RECORD_BYTES;
	struct writer w = stage_writer(save);
	struct state_record record;
	size_t bytes;

	pthread_mutex_lock(&save->dev->lock);
	record.number = ref_memory_take(memory, save->next_block);
	pthread_mutex_unlock(&save->dev->lock);
	if (record.number == memory->nr_blocks)
		return false;
	bytes = ref_memory_block_bytes(memory, record.number);
	shared_read(data, memory->data + record.number * MEMORY_BLOCK_BYTES, bytes);
	ref_state_digest_block(&save->digest, record.number, data, bytes);
	record.type = memcmp(data, zeroes, bytes) ? STATE_BLOCK : STATE_ZERO;
	record.bytes = record.type == STATE_BLOCK ? (uint32_t)bytes : 0;
	state_record_encode(&w, &record);
	stage_end(save, &w);
	save->staged += record.bytes;
	save->next_block = record.number + 1;
	save->staged_is_initial = record.number == save->initial_sent && record.number < save->nr_initial;
	if (save->staged_is_initial)
		save->initial_sent++;
	return true;
}

static void stage_device(struct state_save *save)
{
	struct state_record record = { .type = STATE_DEVICE, .bytes = (uint32_t)state_device_bytes() };
	struct ref_device *dev = save->dev;
	struct writer w = stage_writer(save);

	state_record_encode(&w, &record);
	pthread_mutex_lock(&dev->lock);
	ref_registers_encode(&dev->regs, &w);
	writer_u32(&w, dev->irqs.pending);
	writer_put(&w, dev->pci.config, PCI_CONFIG_BYTES);
	writer_put(&w, dev->pci.table, PCI_TABLE_BYTES);
	pthread_mutex_unlock(&dev->lock);
	stage_end(save, &w);
	ref_state_digest_device(&save->digest, save->record + STATE_RECORD_BYTES, record.bytes);
	save->stage = STAGE_TRAILER;
}

static void stage_trailer(struct state_save *save)
{
	struct state_record record = { .type = STATE_TRAILER, .bytes = STATE_DIGEST_BYTES, .number = save->nr_rearms };
	struct writer w = stage_writer(save);

	state_record_encode(&w, &record);
	writer_u64(&w, ref_state_digest_whole(&save->digest));
	stage_end(save, &w);
	save->stage = STAGE_END;
}

/* false: there is no record to stage, now or ever. */
static bool stage_next(struct state_save *save)
{
	save->staged_is_initial = false;
	switch (save->stage) {
	case STAGE_HEAD:
		stage_head(save);
		return true;
	case STAGE_BLOCKS:
		if (save->rearm_due) {
			stage_rearm(save);
			return true;
		}
		if (stage_block(save))
			return true;
		if (!save->finishing)
			return false;
		stage_device(save);
		return true;
	case STAGE_TRAILER:
		stage_trailer(save);
		return true;
	case STAGE_END:
		break;
	}
	return false;
}

size_t ref_state_save_read(struct state_save *save, void *buf, size_t size)
{
	size_t done = 0;

	while (done < size) {
		size_t left = save->staged - save->taken, n = left < size - done ? left : size - done;

		if (!left) {
			if (!stage_next(save))
				break;
			continue;
		}
		memcpy((uint8_t *)buf + done, save->record + save->taken, n);
		save->taken += n;
		done += n;
	}
	save->begun |= done != 0;
	return done;
}

bool ref_state_save_has_ended(const struct state_save *save)
{
	return save->stage == STAGE_END && save->taken == save->staged;
}

static uint64_t head_bytes(void)
{
	return STATE_HEAD_BYTES + STATE_RECORD_BYTES + ref_registers_layout_bytes();
}

static void count_left(struct state_save *save, uint64_t *initial, uint64_t *dirty)
{
	uint64_t blocks = save->nr_initial - save->initial_sent, staged = save->staged - save->taken;

	*initial = blocks * BLOCK_RECORD + (save->stage == STAGE_HEAD ? head_bytes() : 0);
	*initial += save->rearm_due ? REARM_RECORD : 0;
	pthread_mutex_lock(&save->dev->lock);
	*dirty = (save->dev->memory.nr_dirty - blocks) * BLOCK_RECORD;
	pthread_mutex_unlock(&save->dev->lock);
	*(save->staged_is_initial ? initial : dirty) += staged;
}

void ref_state_save_left(struct state_save *save, uint64_t *initial, uint64_t *dirty)
{
	count_left(save, initial, dirty);
	if (!save->begun)
		*dirty = 0;
}

/*
 * All blocks of the part are made dirty and the search begins with the first: so they come in order, and a write to
 * one that is still to come changes nothing about that.
 */
bool ref_state_save_rearm(struct state_save *save)
{
	struct memory *memory = &save->dev->memory;
	uint64_t initial, dirty, bytes;

	count_left(save, &initial, &dirty);
	if (initial || save->stage != STAGE_BLOCKS)
		return false;
	save->nr_initial += !save->nr_initial;
	save->initial_sent = 0;
	save->next_block = 0;
	save->nr_rearms++;
	save->rearm_due = true;
	bytes = save->nr_initial * MEMORY_BLOCK_BYTES;
	pthread_mutex_lock(&save->dev->lock);
	ref_memory_mark(memory, 0, bytes < memory->size ? bytes : memory->size);
	pthread_mutex_unlock(&save->dev->lock);
	return true;
}

uint64_t ref_state_save_stop_bytes(struct ref_device *dev, struct state_save *save)
{
	uint64_t trailer = STATE_RECORD_BYTES + STATE_DIGEST_BYTES;
	uint64_t device = STATE_RECORD_BYTES + state_device_bytes() + trailer, initial, dirty;

	if (!save)
		return head_bytes() + dev->memory.nr_blocks * BLOCK_RECORD + device;
	if (save->stage == STAGE_TRAILER || save->stage == STAGE_END)
		return save->staged - save->taken + (save->stage == STAGE_TRAILER ? trailer : 0);
	count_left(save, &initial, &dirty);
	pthread_mutex_lock(&dev->lock);
	dirty += ref_memory_unsettled(&dev->memory) * BLOCK_RECORD;
	pthread_mutex_unlock(&dev->lock);
	return initial + dirty + device;
}
