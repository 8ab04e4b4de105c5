/* SPDX-License-Identifier: BSD-3-Clause */
/* The vfio-user message header as bytes, and names for what people read. */
#include "device/user_proto.h"

#include "base/bits.h"
#include "wire/cursor.h"

#include <errno.h>

#define MAX_ERRNO 4095

void user_header_encode(uint8_t buf[USER_HEADER_BYTES], const struct user_header *header)
{
	struct wire_out out = wire_out(buf, USER_HEADER_BYTES);

	wire_put_u16(&out, header->msg_id);
	wire_put_u16(&out, header->command);
	wire_put_u32(&out, header->msg_size);
	wire_put_u32(&out, header->flags);
	wire_put_u32(&out, header->error);
}

int user_header_decode(const uint8_t buf[USER_HEADER_BYTES], struct user_header *header)
{
	struct wire_in in = wire_in(buf, USER_HEADER_BYTES);

	header->msg_id = wire_get_u16(&in);
	header->command = wire_get_u16(&in);
	header->msg_size = wire_get_u32(&in);
	header->flags = wire_get_u32(&in);
	header->error = wire_get_u32(&in);
	if (header->msg_size < USER_HEADER_BYTES || (header->flags & USER_TYPE_MASK) > USER_TYPE_REPLY)
		return -EBADMSG;
	return 0;
}

static const char *const command_names[] = {
	[USER_VERSION] = "VERSION",
	[USER_DMA_MAP] = "DMA_MAP",
	[USER_DMA_UNMAP] = "DMA_UNMAP",
	[USER_GET_INFO] = "DEVICE_GET_INFO",
	[USER_GET_REGION_INFO] = "DEVICE_GET_REGION_INFO",
	[USER_GET_REGION_IO_FDS] = "DEVICE_GET_REGION_IO_FDS",
	[USER_GET_IRQ_INFO] = "DEVICE_GET_IRQ_INFO",
	[USER_SET_IRQS] = "DEVICE_SET_IRQS",
	[USER_REGION_READ] = "REGION_READ",
	[USER_REGION_WRITE] = "REGION_WRITE",
	[USER_DMA_READ] = "DMA_READ",
	[USER_DMA_WRITE] = "DMA_WRITE",
	[USER_RESET] = "DEVICE_RESET",
	[USER_REGION_WRITE_MULTI] = "REGION_WRITE_MULTI",
	[USER_FEATURE] = "DEVICE_FEATURE",
	[USER_DATA_READ] = "MIG_DATA_READ",
	[USER_DATA_WRITE] = "MIG_DATA_WRITE",
};

bool user_command_is_known(uint16_t command)
{
	return command < ARRAY_SIZE(command_names) && command_names[command];
}

const char *user_command_name(uint16_t command)
{
	return user_command_is_known(command) ? command_names[command] : "command";
}

int user_errno(uint32_t error)
{
	return error && error <= MAX_ERRNO ? -(int)error : -EIO;
}
