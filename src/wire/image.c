/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Records of an image: headers, sums, the bodies of HEAD and TRAILER. One table says how long the body of each type
 * may be; a header is judged by it before a byte of the body is read. doc/image.md has every field.
 */
#define XXH_STATIC_LINKING_ONLY /* XXH3_state_t on the stack */
#include "wire/image.h"

#include "base/bits.h"
#include "wire/cursor.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define SUMMED_HEADER_BYTES 24u
#define LAST_SECOND         253402300799ull /* of the year 9999: what every calendar can print */

/* A text's longest form is its length and all of its array but the NUL. */
#define TEXT_BYTES(array_bytes) (2u + (array_bytes)-1u)
#define HEAD_FIXED_BYTES        (24u + GW_IMAGE_NR_BARS * 8u + 16u)
#define HEAD_MIN                (HEAD_FIXED_BYTES + 5u * TEXT_BYTES(1u))
#define HEAD_MAX                                                                                     \
	(HEAD_FIXED_BYTES + TEXT_BYTES(GW_DEVICE_ID_BYTES) + 2u * TEXT_BYTES(GW_DEVICE_TEXT_BYTES) + \
	 2u * TEXT_BYTES(GW_IMAGE_TEXT_BYTES))

_Static_assert(HEAD_MAX <= IMAGE_HEAD_MAX, "a HEAD fits");

#define KNOWS                                                                                           \
	(GW_IMAGE_KNOWS_PCI | GW_IMAGE_KNOWS_BARS | GW_IMAGE_KNOWS_CAPABILITIES | GW_IMAGE_KNOWS_SIZE | \
	 GW_IMAGE_KNOWS_TIME)

static const struct image_kind {
	const char *name;
	uint32_t min_bytes, max_bytes; /* of the body */
	uint32_t flags;                /* that it may have */
} kinds[] = {
	[IMAGE_HEAD] = { "HEAD", HEAD_MIN, HEAD_MAX, 0 },
	[IMAGE_BLOCK] = { "BLOCK", 0, GW_IMAGE_BLOCK_BYTES, IMAGE_BLOCK_STOP_COPY | IMAGE_BLOCK_INITIAL_END },
	[IMAGE_TRAILER] = { "TRAILER", IMAGE_TRAILER_BYTES, IMAGE_TRAILER_BYTES, 0 },
};

static const struct image_kind *find_kind(uint16_t type)
{
	return type < ARRAY_SIZE(kinds) && kinds[type].name ? &kinds[type] : NULL;
}

const char *image_record_name(uint16_t type)
{
	const struct image_kind *kind = find_kind(type);

	return kind ? kind->name : "?";
}

void image_record_encode(uint8_t buf[IMAGE_RECORD_BYTES], const struct image_record *record)
{
	struct wire_out out = wire_out(buf, IMAGE_RECORD_BYTES);

	wire_put_u32(&out, IMAGE_MAGIC);
	wire_put_u16(&out, record->version);
	wire_put_u16(&out, record->type);
	wire_put_u32(&out, record->flags);
	wire_put_u32(&out, record->body_bytes);
	wire_put_u64(&out, record->number);
	wire_put_u64(&out, record->sum);
}

/* Initial bytes are a matter of pre-copy; a block without a byte is there for its mark. */
static bool block_is_sane(const struct image_record *record)
{
	bool initial_end = record->flags & IMAGE_BLOCK_INITIAL_END;

	return initial_end ? !(record->flags & IMAGE_BLOCK_STOP_COPY) : record->body_bytes > 0;
}

int image_record_decode(const uint8_t buf[IMAGE_RECORD_BYTES], struct image_record *record)
{
	struct wire_in in = wire_in(buf, IMAGE_RECORD_BYTES);
	uint32_t magic = wire_get_u32(&in);
	const struct image_kind *kind;

	record->version = wire_get_u16(&in);
	record->type = wire_get_u16(&in);
	record->flags = wire_get_u32(&in);
	record->body_bytes = wire_get_u32(&in);
	record->number = wire_get_u64(&in);
	record->sum = wire_get_u64(&in);

	if (magic != IMAGE_MAGIC)
		return -EBADMSG;
	if (record->version != GW_IMAGE_VERSION)
		return -EPROTONOSUPPORT;
	kind = find_kind(record->type);
	if (!kind && !(record->flags & IMAGE_OPTIONAL))
		return -EPROTONOSUPPORT;
	if (!kind)
		return record->flags == IMAGE_OPTIONAL && record->body_bytes <= IMAGE_OPTIONAL_MAX ? 0 : -EBADMSG;
	if (record->flags & ~kind->flags || record->body_bytes < kind->min_bytes ||
	    record->body_bytes > kind->max_bytes)
		return -EBADMSG;
	return record->type != IMAGE_BLOCK || block_is_sane(record) ? 0 : -EBADMSG;
}

uint64_t image_record_sum(const uint8_t buf[IMAGE_RECORD_BYTES], const void *body, size_t body_bytes)
{
	XXH3_state_t state;

	XXH3_INITSTATE(&state);
	XXH3_64bits_reset(&state);
	XXH3_64bits_update(&state, buf, SUMMED_HEADER_BYTES);
	if (body_bytes)
		XXH3_64bits_update(&state, body, body_bytes);
	return XXH3_64bits_digest(&state);
}

int image_head_encode(const struct gw_image_head *head, uint8_t *buf, size_t size_bytes)
{
	struct wire_out out = wire_out(buf, size_bytes);

	wire_put_u32(&out, head->known);
	wire_put_u32(&out, head->migration_flags);
	wire_put_u32(&out, head->features);
	wire_put_u16(&out, head->vendor_id);
	wire_put_u16(&out, head->device_id);
	wire_put_u16(&out, head->subsystem_vendor_id);
	wire_put_u16(&out, head->subsystem_device_id);
	wire_put_u32(&out, head->class_revision);
	for (unsigned int i = 0; i < GW_IMAGE_NR_BARS; i++)
		wire_put_u64(&out, head->bar_bytes[i]);
	wire_put_u64(&out, head->expected_bytes);
	wire_put_u64(&out, head->created_s);
	wire_put_text(&out, head->id);
	wire_put_text(&out, head->backend);
	wire_put_text(&out, head->driver);
	wire_put_text(&out, head->origin);
	wire_put_text(&out, head->writer);
	return out.bad ? -EMSGSIZE : (int)out.used;
}

/* What is not known is not said either, so that a head has one form. */
static bool head_is_sane(const struct gw_image_head *head)
{
	uint64_t bars = 0;

	for (unsigned int i = 0; i < GW_IMAGE_NR_BARS; i++)
		bars |= head->bar_bytes[i];
	if (head->known & ~KNOWS || head->created_s > LAST_SECOND)
		return false;
	if (!(head->known & GW_IMAGE_KNOWS_PCI) && (head->vendor_id || head->device_id || head->subsystem_vendor_id ||
						    head->subsystem_device_id || head->class_revision))
		return false;
	return (head->known & GW_IMAGE_KNOWS_BARS || !bars) &&
	       (head->known & GW_IMAGE_KNOWS_CAPABILITIES || !(head->migration_flags | head->features)) &&
	       (head->known & GW_IMAGE_KNOWS_SIZE || !head->expected_bytes) &&
	       (head->known & GW_IMAGE_KNOWS_TIME || !head->created_s);
}

int image_head_decode(const uint8_t *buf, size_t size_bytes, struct gw_image_head *head)
{
	struct wire_in in = wire_in(buf, size_bytes);

	*head = (struct gw_image_head){ .version = GW_IMAGE_VERSION };
	head->known = wire_get_u32(&in);
	head->migration_flags = wire_get_u32(&in);
	head->features = wire_get_u32(&in);
	head->vendor_id = wire_get_u16(&in);
	head->device_id = wire_get_u16(&in);
	head->subsystem_vendor_id = wire_get_u16(&in);
	head->subsystem_device_id = wire_get_u16(&in);
	head->class_revision = wire_get_u32(&in);
	for (unsigned int i = 0; i < GW_IMAGE_NR_BARS; i++)
		head->bar_bytes[i] = wire_get_u64(&in);
	head->expected_bytes = wire_get_u64(&in);
	head->created_s = wire_get_u64(&in);
	wire_get_text(&in, head->id, sizeof(head->id));
	wire_get_text(&in, head->backend, sizeof(head->backend));
	wire_get_text(&in, head->driver, sizeof(head->driver));
	wire_get_text(&in, head->origin, sizeof(head->origin));
	wire_get_text(&in, head->writer, sizeof(head->writer));
	return wire_in_ended(&in) && head_is_sane(head) ? 0 : -EBADMSG;
}

void image_trailer_encode(uint8_t buf[IMAGE_TRAILER_BYTES], const struct image_trailer *trailer)
{
	struct wire_out out = wire_out(buf, IMAGE_TRAILER_BYTES);

	wire_put_u64(&out, trailer->nr_blocks);
	wire_put_u64(&out, trailer->precopy_bytes);
	wire_put_u64(&out, trailer->stop_copy_bytes);
	wire_put_u64(&out, trailer->state_digest);
	wire_put_u64(&out, trailer->records_digest);
	wire_put_u64(&out, trailer->stopped_ns);
}

int image_trailer_decode(const uint8_t *buf, size_t size_bytes, struct image_trailer *trailer)
{
	struct wire_in in = wire_in(buf, size_bytes);

	trailer->nr_blocks = wire_get_u64(&in);
	trailer->precopy_bytes = wire_get_u64(&in);
	trailer->stop_copy_bytes = wire_get_u64(&in);
	trailer->state_digest = wire_get_u64(&in);
	trailer->records_digest = wire_get_u64(&in);
	trailer->stopped_ns = wire_get_u64(&in);
	if (!wire_in_ended(&in) || trailer->precopy_bytes > UINT64_MAX - trailer->stop_copy_bytes)
		return -EBADMSG;
	return 0;
}

struct gw_image_totals image_totals(const struct image_trailer *trailer, uint64_t file_bytes)
{
	return (struct gw_image_totals){
		.file_bytes = file_bytes,
		.nr_blocks = trailer->nr_blocks,
		.precopy_bytes = trailer->precopy_bytes,
		.stop_copy_bytes = trailer->stop_copy_bytes,
		.stopped_ns = trailer->stopped_ns,
		.state_digest = trailer->state_digest,
	};
}
