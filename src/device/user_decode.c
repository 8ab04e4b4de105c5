/* SPDX-License-Identifier: BSD-3-Clause */
/* vfio-user messages as fields of a trace: see user_decode.h. Field names are those of the specification. */
#include "device/user_decode.h"

#include "base/bits.h"
#include "base/export.h"
#include "device/trace_feature.h"
#include "device/user_proto.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>

#define FEATURE_HEAD_BYTES 32u /* head and data of any feature, without a report's bitmap */

#define NUMBER(name, offset, width)                        \
	{                                                  \
		name, offset, width, TRACE_AS_NUMBER, NULL \
	}
#define HEX(name, offset, width)                        \
	{                                               \
		name, offset, width, TRACE_AS_HEX, NULL \
	}
#define FLAGS(offset, names)                              \
	{                                                 \
		"flags", offset, 4, TRACE_AS_FLAGS, names \
	}
#define DATA(offset)                                    \
	{                                               \
		"data", offset, 0, TRACE_AS_BYTES, NULL \
	}
#define END                         \
	{                           \
		NULL, 0, 0, 0, NULL \
	}

static const struct trace_name map_flags[] = {
	{ 1, "READ" }, { 2, "WRITE" }, { 4, "MMAP" }, { 8, "FILE_IO" }, { 0, NULL }
};
static const struct trace_name unmap_flags[] = { { 1, "GET_DIRTY_BITMAP" }, { 2, "ALL" }, { 0, NULL } };
static const struct trace_name info_flags[] = { { 1, "RESET" }, { 2, "PCI" }, { 0, NULL } };
static const struct trace_name region_flags[] = {
	{ 1, "READ" }, { 2, "WRITE" }, { 4, "MMAP" }, { 8, "CAPS" }, { 0, NULL }
};
static const struct trace_name irq_flags[] = {
	{ 1, "EVENTFD" }, { 2, "MASKABLE" }, { 4, "AUTOMASKED" }, { 8, "NORESIZE" }, { 0, NULL },
};
static const struct trace_name irq_set_flags[] = {
	{ VFIO_IRQ_SET_DATA_NONE, "DATA_NONE" },
	{ VFIO_IRQ_SET_DATA_BOOL, "DATA_BOOL" },
	{ VFIO_IRQ_SET_DATA_EVENTFD, "DATA_EVENTFD" },
	{ VFIO_IRQ_SET_ACTION_MASK, "ACTION_MASK" },
	{ VFIO_IRQ_SET_ACTION_UNMASK, "ACTION_UNMASK" },
	{ VFIO_IRQ_SET_ACTION_TRIGGER, "ACTION_TRIGGER" },
	{ 0, NULL },
};

static const struct trace_row version[] = {
	NUMBER("major", 0, 2),
	NUMBER("minor", 2, 2),
	{ "capabilities", 4, 0, TRACE_AS_TEXT, NULL },
	END,
};
static const struct trace_row dma_map[] = {
	NUMBER("argsz", 0, 4), FLAGS(4, map_flags), HEX("offset", 8, 8), HEX("address", 16, 8), HEX("size", 24, 8), END,
};
static const struct trace_row dma_unmap[] = {
	NUMBER("argsz", 0, 4), FLAGS(4, unmap_flags), HEX("address", 8, 8), HEX("size", 16, 8), END,
};
static const struct trace_row argsz[] = { NUMBER("argsz", 0, 4), END };
static const struct trace_row info[] = {
	NUMBER("argsz", 0, 4), FLAGS(4, info_flags), NUMBER("num_regions", 8, 4), NUMBER("num_irqs", 12, 4), END,
};
static const struct trace_row index_in[] = { NUMBER("argsz", 0, 4), NUMBER("index", 8, 4), END };
static const struct trace_row region[] = {
	NUMBER("argsz", 0, 4),
	FLAGS(4, region_flags),
	NUMBER("index", 8, 4),
	NUMBER("cap_offset", 12, 4),
	HEX("size", 16, 8),
	HEX("offset", 24, 8),
	END,
};
static const struct trace_row io_fds[] = {
	NUMBER("argsz", 0, 4), HEX("flags", 4, 4), NUMBER("index", 8, 4), NUMBER("count", 12, 4), END,
};
static const struct trace_row irq[] = {
	NUMBER("argsz", 0, 4), FLAGS(4, irq_flags), NUMBER("index", 8, 4), NUMBER("count", 12, 4), END,
};
static const struct trace_row irq_set[] = {
	NUMBER("argsz", 0, 4),  FLAGS(4, irq_set_flags), NUMBER("index", 8, 4),
	NUMBER("start", 12, 4), NUMBER("count", 16, 4),  END,
};
static const struct trace_row access_in[] = { HEX("offset", 0, 8), NUMBER("region", 8, 4), NUMBER("count", 12, 4),
					      END };
static const struct trace_row access_in_data[] = {
	HEX("offset", 0, 8), NUMBER("region", 8, 4), NUMBER("count", 12, 4), DATA(16), END,
};
static const struct trace_row access_out[] = { NUMBER("count", 12, 4), END };
static const struct trace_row access_out_data[] = { NUMBER("count", 12, 4), DATA(16), END };
static const struct trace_row dma_in[] = { HEX("address", 0, 8), NUMBER("count", 8, 8), END };
static const struct trace_row dma_in_data[] = { HEX("address", 0, 8), NUMBER("count", 8, 8), DATA(16), END };
static const struct trace_row dma_out[] = { NUMBER("count", 8, 4), END }; /* of 8 bytes, or of 4: both are seen */
static const struct trace_row dma_out_data[] = { NUMBER("count", 8, 8), DATA(16), END };
static const struct trace_row multi[] = { NUMBER("wr_cnt", 0, 8), END };
static const struct trace_row state_in[] = { NUMBER("argsz", 0, 4), NUMBER("size", 4, 4), END };
static const struct trace_row state_data[] = { NUMBER("argsz", 0, 4), NUMBER("size", 4, 4), DATA(8), END };

static const struct shape {
	uint16_t command;
	const struct trace_row *in, *out;
	uint16_t count_at; /* where a reply says how many bytes were moved; 0: nowhere */
	uint16_t data_at;  /* where they are in it; 0: they are not */
} shapes[] = {
	{ USER_VERSION, version, version, 0, 0 },
	{ USER_DMA_MAP, dma_map, NULL, 0, 0 },
	{ USER_DMA_UNMAP, dma_unmap, dma_unmap, 0, 0 },
	{ USER_GET_INFO, argsz, info, 0, 0 },
	{ USER_GET_REGION_INFO, index_in, region, 0, 0 },
	{ USER_GET_REGION_IO_FDS, io_fds, io_fds, 0, 0 },
	{ USER_GET_IRQ_INFO, index_in, irq, 0, 0 },
	{ USER_SET_IRQS, irq_set, NULL, 0, 0 },
	{ USER_REGION_READ, access_in, access_out_data, 12, 16 },
	{ USER_REGION_WRITE, access_in_data, access_out, 12, 0 },
	{ USER_DMA_READ, dma_in, dma_out_data, 8, 16 },
	{ USER_DMA_WRITE, dma_in_data, dma_out, 8, 0 },
	{ USER_REGION_WRITE_MULTI, multi, multi, 0, 0 },
	{ USER_DATA_READ, state_in, state_data, 4, 8 },
	{ USER_DATA_WRITE, state_data, NULL, 0, 0 },
};

/* A message taken apart; the body is as much of it as is there. */
struct message {
	struct user_header header;
	const uint8_t *body;
	size_t body_bytes;
	uint32_t type;
	int whole;
};

static int take_apart(const void *bytes, size_t size_bytes, struct message *m)
{
	*m = (struct message){ .body = NULL };
	if (!bytes || size_bytes < USER_HEADER_BYTES || user_header_decode(bytes, &m->header) ||
	    size_bytes > m->header.msg_size)
		return -EBADMSG;
	m->type = m->header.flags & USER_TYPE_MASK;
	m->whole = size_bytes == m->header.msg_size;
	m->body = (const uint8_t *)bytes + USER_HEADER_BYTES;
	m->body_bytes = size_bytes - USER_HEADER_BYTES;
	return 0;
}

static const struct shape *find(uint16_t command)
{
	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].command == command)
			return &shapes[i];
	return NULL;
}

/* A bitmap that is not all there is not counted. */
static size_t feature_bytes(const struct message *m)
{
	return m->whole ? m->body_bytes : min_u64(m->body_bytes, FEATURE_HEAD_BYTES);
}

static void add_command(struct trace_list *arguments, const struct message *m)
{
	const struct shape *shape = find(m->header.command);

	if (m->header.command == USER_FEATURE)
		trace_feature_request(arguments, m->body, feature_bytes(m));
	else if (shape)
		trace_add_rows(arguments, shape->in, m->body, m->body_bytes);
	if (m->header.flags & USER_NO_REPLY)
		trace_add_text(arguments, "header", "NO_REPLY");
}

static uint32_t word_at(const struct message *m, size_t offset)
{
	uint32_t word = 0;

	if (m->body_bytes >= offset + sizeof(word))
		memcpy(&word, m->body + offset, sizeof(word));
	return word;
}

/* How many bytes a reply says were moved: its result, and as much of a padded one is data. */
static void add_moved(struct trace_list *answers, const struct message *m, const struct shape *shape,
		      struct gw_trace_call *call)
{
	uint32_t moved = shape->count_at ? word_at(m, shape->count_at) : 0;
	size_t size_bytes = m->body_bytes;

	if (shape->data_at)
		size_bytes = min_u64(size_bytes, (uint64_t)shape->data_at + moved);
	trace_add_rows(answers, shape->out, m->body, size_bytes);
	call->result = (int32_t)min_u64(moved, INT32_MAX);
}

static void add_reply(struct trace_list *answers, const struct message *m, const struct message *request,
		      struct gw_trace_call *call)
{
	const struct shape *shape = find(m->header.command);

	if (m->header.flags & USER_ERROR)
		call->result = user_errno(m->header.error);
	else if (m->header.command == USER_FEATURE)
		trace_feature_reply(answers, word_at(request ? request : m, 4), m->body, feature_bytes(m));
	else if (shape)
		add_moved(answers, m, shape, call);
	/* Its reply has no data: what it says yes to is what was asked. */
	if (!call->result && m->header.command == USER_DATA_WRITE && request)
		call->result = (int32_t)min_u64(word_at(request, 4), INT32_MAX);
}

static const char *kind_of(uint16_t command)
{
	return command == USER_DMA_READ || command == USER_DMA_WRITE ? "command" : "message";
}

int user_decode(const void *message, size_t size_bytes, const void *request, size_t request_bytes,
		struct gw_trace_call *call, struct trace_room *room)
{
	struct trace_list arguments = trace_arguments(call, room), answers = trace_answers(call, room);
	struct message m, asked;
	uint16_t command;
	int has_request;

	*call = (struct gw_trace_call){ .size = sizeof(*call), .device = "" };
	if (take_apart(message, size_bytes, &m))
		return -EBADMSG;
	command = m.header.command;
	call->kind = kind_of(command);
	call->name = user_command_name(command);
	if (!user_command_is_known(command))
		trace_add_number(&arguments, "number", GW_TRACE_NUMBER, command);
	if (m.type == USER_TYPE_COMMAND) {
		add_command(&arguments, &m);
		return 0;
	}
	has_request = !take_apart(request, request_bytes, &asked) && asked.type == USER_TYPE_COMMAND &&
		      asked.header.command == command;
	if (has_request)
		add_command(&arguments, &asked);
	add_reply(&answers, &m, has_request ? &asked : NULL, call);
	return 0;
}

GW_EXPORT int gw_trace_decode(const void *message, size_t size_bytes, const void *request, size_t request_bytes,
			      struct gw_trace_call *call, char room[GW_TRACE_ROOM_BYTES])
{
	struct trace_room left = { .at = room, .left = GW_TRACE_ROOM_BYTES };

	return user_decode(message, size_bytes, request, request_bytes, call, &left);
}
