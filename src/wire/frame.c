/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Frames: the header, the sums, and the fixed parts of RAM and DEVICE bodies. One table says what every type is
 * called and how long its body may be; a header is judged by it before a byte of the body is read. doc/wire.md has
 * the sizes field by field, test/unit/test_message.c compares them with what the encoders write.
 */
#define XXH_STATIC_LINKING_ONLY /* XXH3_state_t on the stack */
#include "wire/frame.h"

#include "wire/cursor.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#define SUMMED_HEADER_BYTES 24u

/* The longest forms: a text is its length and all of its array but the NUL, a count is at its bound. */
#define TEXT_BYTES(array_bytes) (2u + (array_bytes)-1u)
#define RAM_BLOCK_BYTES         (TEXT_BYTES(GW_NAME_BYTES) + 16u)
#define DEVICE_BYTES            (TEXT_BYTES(GW_DEVICE_ID_BYTES) + 44u + 2u * TEXT_BYTES(GW_DEVICE_TEXT_BYTES) + 12u)
#define MANIFEST_BYTES \
	(TEXT_BYTES(GW_NAME_BYTES) + 16u + GW_MAX_RAM_BLOCKS * RAM_BLOCK_BYTES + GW_MAX_DEVICES * DEVICE_BYTES)
#define REASON_BYTES         (4u + TEXT_BYTES(GW_ERROR_WHERE_BYTES) + TEXT_BYTES(GW_ERROR_WHAT_BYTES))
#define TOTAL_BYTES          24u
#define DEVICE_RESUMED_BYTES 24u
#define DEVICE_LOADED_BYTES  (12u + GW_MAX_ARCS * 10u + TOTAL_BYTES)

static const struct frame_kind {
	const char *name;
	uint32_t min_bytes, max_bytes; /* of the body */
	uint16_t flags;
} kinds[] = {
	[FRAME_HELLO] = { "HELLO", 44, 44 },
	[FRAME_WELCOME] = { "WELCOME", 6, 6 },
	[FRAME_MANIFEST] = { "MANIFEST", 18, MANIFEST_BYTES },
	[FRAME_ACCEPT] = { "ACCEPT", 4, 4 + GW_MAX_DEVICES * 8 },
	[FRAME_REFUSE] = { "REFUSE", 12, 4 + LIMIT_REASONS *REASON_BYTES },
	[FRAME_LOADABLE] = { "LOADABLE", 4, 4 + GW_MAX_DEVICES * 8 },
	[FRAME_GRANT] = { "GRANT", 28, 28 },
	[FRAME_INITIAL_LOADED] = { "INITIAL_LOADED", 12, 12 },
	[FRAME_VM_STATE] = { "VM_STATE", 4, 4 + LIMIT_VM_STATE_BYTES },
	[FRAME_PREPARE] = { "PREPARE", 36, 36 + GW_MAX_DEVICES *TOTAL_BYTES },
	[FRAME_READY] = { "READY", 16, 16 },
	[FRAME_FAILED] = { "FAILED", 8, REASON_BYTES },
	[FRAME_COMMIT] = { "COMMIT", 0, 0 },
	[FRAME_RUNNING] = { "RUNNING", 8, 8 },
	[FRAME_SUMMARY] = { "SUMMARY", 20, 20 + GW_MAX_DEVICES *DEVICE_LOADED_BYTES },
	[FRAME_CANCEL] = { "CANCEL", 0, 0 },
	[FRAME_PING] = { "PING", 0, 0 },
	[FRAME_RESUMED] = { "RESUMED", 12, 12 + GW_MAX_CHANNELS * 8 + GW_MAX_DEVICES *DEVICE_RESUMED_BYTES },
	[FRAME_NEEDS] = { "NEEDS", 4, 4 + GW_MAX_NEEDS_BYTES, FRAME_OPTIONAL },

	[FRAME_RAM] = { "RAM", FRAME_RAM_FIXED_BYTES + FRAME_RUN_BYTES, FRAME_RAM_MAX_BYTES },
	[FRAME_DEVICE] = { "DEVICE", FRAME_DEVICE_FIXED_BYTES, FRAME_DEVICE_MAX_BYTES },
	[FRAME_END] = { "END", 0, 0 },
};

static const struct frame_kind *find_kind(uint16_t type)
{
	return type < ARRAY_SIZE(kinds) && kinds[type].name ? &kinds[type] : NULL;
}

const char *frame_name(uint16_t type)
{
	const struct frame_kind *kind = find_kind(type);

	return kind ? kind->name : "?";
}

uint32_t frame_max_bytes(uint16_t type)
{
	const struct frame_kind *kind = find_kind(type);

	return kind ? kind->max_bytes : 0;
}

uint16_t frame_flags(uint16_t type)
{
	const struct frame_kind *kind = find_kind(type);

	return kind ? kind->flags : 0;
}

void frame_header_encode(uint8_t buf[FRAME_HEADER_BYTES], const struct frame_header *header)
{
	struct wire_out out = wire_out(buf, FRAME_HEADER_BYTES);

	wire_put_u32(&out, FRAME_MAGIC);
	wire_put_u16(&out, header->type);
	wire_put_u16(&out, header->flags);
	wire_put_u32(&out, header->body_bytes);
	wire_put_u32(&out, header->head_bytes);
	wire_put_u64(&out, header->seq);
	wire_put_u64(&out, header->sum);
}

/* The sum covers the whole body, or, of a RAM frame only, the run list. */
static bool head_is_sane(const struct frame_header *header)
{
	uint32_t head_bytes = header->head_bytes;

	if (head_bytes == header->body_bytes)
		return true;
	if (header->type != FRAME_RAM || head_bytes > header->body_bytes)
		return false;
	return head_bytes >= frame_runs_bytes(1) && head_bytes <= frame_runs_bytes(LIMIT_RUNS_A_FRAME) &&
	       (head_bytes - FRAME_RAM_FIXED_BYTES) % FRAME_RUN_BYTES == 0;
}

int frame_header_decode(const uint8_t buf[FRAME_HEADER_BYTES], struct frame_header *header)
{
	struct wire_in in = wire_in(buf, FRAME_HEADER_BYTES);
	uint32_t magic = wire_get_u32(&in);
	const struct frame_kind *kind;

	header->type = wire_get_u16(&in);
	header->flags = wire_get_u16(&in);
	header->body_bytes = wire_get_u32(&in);
	header->head_bytes = wire_get_u32(&in);
	header->seq = wire_get_u64(&in);
	header->sum = wire_get_u64(&in);

	if (magic != FRAME_MAGIC || header->flags & ~FRAME_FLAGS || !head_is_sane(header))
		return -EBADMSG;
	kind = find_kind(header->type);
	if (kind)
		return header->body_bytes >= kind->min_bytes && header->body_bytes <= kind->max_bytes ? 0 : -EBADMSG;
	if (!(header->flags & FRAME_OPTIONAL))
		return -EPROTONOSUPPORT;
	return header->body_bytes <= LIMIT_CONTROL_BYTES ? 0 : -EBADMSG;
}

struct frame_summer {
	XXH3_state_t state;
};

struct frame_summer *frame_summer_new(void)
{
	return aligned_alloc(_Alignof(struct frame_summer), sizeof(struct frame_summer));
}

void frame_summer_free(struct frame_summer *summer)
{
	free(summer);
}

void frame_summer_begin(struct frame_summer *summer, const uint8_t buf[FRAME_HEADER_BYTES])
{
	XXH3_INITSTATE(&summer->state);
	XXH3_64bits_reset(&summer->state);
	XXH3_64bits_update(&summer->state, buf, SUMMED_HEADER_BYTES);
}

void frame_summer_add(struct frame_summer *summer, const void *data, size_t size_bytes)
{
	if (size_bytes)
		XXH3_64bits_update(&summer->state, data, size_bytes);
}

uint64_t frame_summer_end(struct frame_summer *summer)
{
	return XXH3_64bits_digest(&summer->state);
}

uint64_t frame_sum(const uint8_t buf[FRAME_HEADER_BYTES], const void *head, size_t head_bytes, const void *more,
		   size_t more_bytes)
{
	struct frame_summer summer;

	frame_summer_begin(&summer, buf);
	frame_summer_add(&summer, head, head_bytes);
	frame_summer_add(&summer, more, more_bytes);
	return frame_summer_end(&summer);
}

size_t frame_runs_bytes(uint32_t nr_runs)
{
	return FRAME_RAM_FIXED_BYTES + (size_t)nr_runs * FRAME_RUN_BYTES;
}

void frame_runs_encode(uint8_t *buf, const struct page_run *runs, uint32_t nr_runs)
{
	struct wire_out out = wire_out(buf, frame_runs_bytes(nr_runs));

	wire_put_u32(&out, nr_runs);
	wire_put_u32(&out, 0);
	for (uint32_t i = 0; i < nr_runs; i++) {
		wire_put_u64(&out, runs[i].gpa);
		wire_put_u32(&out, runs[i].nr_pages);
		wire_put_u32(&out, runs[i].flags);
	}
}

int frame_runs_count(const uint8_t fixed[FRAME_RAM_FIXED_BYTES], uint32_t body_bytes, uint32_t *nr_runs)
{
	struct wire_in in = wire_in(fixed, FRAME_RAM_FIXED_BYTES);
	uint32_t nr = wire_get_u32(&in);
	uint32_t reserved = wire_get_u32(&in);

	if (reserved || nr == 0 || nr > LIMIT_RUNS_A_FRAME || frame_runs_bytes(nr) > body_bytes)
		return -EBADMSG;
	*nr_runs = nr;
	return 0;
}

/* A run by itself; what it is among others is not known here. */
static bool run_is_sane(const struct page_run *run)
{
	return !(run->flags & ~RUN_FLAGS) && run->nr_pages && run->nr_pages <= LIMIT_CHUNK_PAGES &&
	       is_aligned(run->gpa, GW_PAGE_BYTES) && range_is_sane(run->gpa, (uint64_t)run->nr_pages * GW_PAGE_BYTES);
}

/* The run's last byte: its end may be 2^64. */
static uint64_t run_last(const struct page_run *run)
{
	return run->gpa + ((uint64_t)run->nr_pages * GW_PAGE_BYTES - 1);
}

int frame_runs_decode(const uint8_t *buf, uint32_t nr_runs, size_t payload_bytes, struct page_run *runs)
{
	struct wire_in in = wire_in(buf + FRAME_RAM_FIXED_BYTES, (size_t)nr_runs * FRAME_RUN_BYTES);
	uint64_t payload_pages = 0;

	for (uint32_t i = 0; i < nr_runs; i++) {
		struct page_run *run = &runs[i];

		run->gpa = wire_get_u64(&in);
		run->nr_pages = wire_get_u32(&in);
		run->flags = wire_get_u32(&in);
		if (!run_is_sane(run) || (i && run->gpa <= run_last(run - 1)))
			return -EBADMSG;
		if (run_last(run) - runs[0].gpa >= LIMIT_CHUNK_BYTES)
			return -EBADMSG;
		payload_pages += run->flags & RUN_ZERO ? 0 : run->nr_pages;
	}
	return payload_pages * GW_PAGE_BYTES == payload_bytes ? 0 : -EBADMSG;
}

void frame_device_encode(uint8_t buf[FRAME_DEVICE_FIXED_BYTES], const struct device_buffer_header *header)
{
	struct wire_out out = wire_out(buf, FRAME_DEVICE_FIXED_BYTES);

	wire_put_u32(&out, header->device);
	wire_put_u32(&out, header->flags);
	wire_put_u64(&out, header->number);
	wire_put_u64(&out, header->sent);
}

int frame_device_decode(const uint8_t buf[FRAME_DEVICE_FIXED_BYTES], uint32_t body_bytes,
			struct device_buffer_header *header)
{
	struct wire_in in = wire_in(buf, FRAME_DEVICE_FIXED_BYTES);
	uint64_t payload_bytes;

	header->device = wire_get_u32(&in);
	header->flags = wire_get_u32(&in);
	header->number = wire_get_u64(&in);
	header->sent = wire_get_u64(&in);

	if (body_bytes < FRAME_DEVICE_FIXED_BYTES || body_bytes > FRAME_DEVICE_MAX_BYTES)
		return -EBADMSG;
	if (header->device >= GW_MAX_DEVICES || header->flags & ~DEVICE_BUFFER_FLAGS)
		return -EBADMSG;
	payload_bytes = body_bytes - FRAME_DEVICE_FIXED_BYTES;
	if (!payload_bytes && !(header->flags & (DEVICE_BUFFER_INITIAL_END | DEVICE_BUFFER_LAST)))
		return -EBADMSG;
	if ((header->number == 0 && header->sent) || header->sent > UINT64_MAX - payload_bytes)
		return -EBADMSG;
	return 0;
}
