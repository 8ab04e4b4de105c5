/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The vfio-user protocol's numbers and its message header. Source: the specification (docs/interop/vfio-user.rst of
 * QEMU); the numbers of regions, interrupts and features are those of linux/vfio.h. Pure functions, any thread.
 */
#ifndef DEVICE_USER_PROTO_H
#define DEVICE_USER_PROTO_H

#include <stdbool.h>
#include <stdint.h>

/* vfio-user is in the host's byte order, the cursors of wire/cursor.h are little-endian. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the vfio-user client is for little-endian hosts");

#define USER_VERSION_MAJOR 0
#define USER_VERSION_MINOR 2

enum user_command {
	USER_VERSION = 1,
	USER_DMA_MAP = 2,
	USER_DMA_UNMAP = 3,
	USER_GET_INFO = 4,
	USER_GET_REGION_INFO = 5,
	USER_GET_REGION_IO_FDS = 6, /* this and 15 are only known by name */
	USER_GET_IRQ_INFO = 7,
	USER_SET_IRQS = 8,
	USER_REGION_READ = 9,
	USER_REGION_WRITE = 10,
	USER_DMA_READ = 11,
	USER_DMA_WRITE = 12,
	USER_RESET = 13,
	USER_REGION_WRITE_MULTI = 15,
	USER_FEATURE = 16,
	USER_DATA_READ = 17,
	USER_DATA_WRITE = 18,
};

#define USER_HEADER_BYTES 16u

#define USER_TYPE_MASK    0xfu
#define USER_TYPE_COMMAND 0u
#define USER_TYPE_REPLY   1u
#define USER_NO_REPLY     (1u << 4)
#define USER_ERROR        (1u << 5)

struct user_header {
	uint16_t msg_id;
	uint16_t command;
	uint32_t msg_size; /* with the header */
	uint32_t flags;
	uint32_t error; /* an errno, positive, if USER_ERROR is set */
};

void user_header_encode(uint8_t buf[USER_HEADER_BYTES], const struct user_header *header);
/* -EBADMSG: shorter than a header, or neither a command nor a reply. */
int user_header_decode(const uint8_t buf[USER_HEADER_BYTES], struct user_header *header);

/* "DMA_MAP"; "command" for a number that is not known. */
const char *user_command_name(uint16_t command);
bool user_command_is_known(uint16_t command);

/* A server's errno as ours: -EIO for one that is none. */
int user_errno(uint32_t error);

/* DEVICE_FEATURE: numbers and data of linux/vfio.h; PRECOPY_INFO is of doc/vfio-user-extension.md. */
#define USER_FEATURE_MIGRATION    1u
#define USER_FEATURE_STATE        2u
#define USER_FEATURE_LOG_START    6u
#define USER_FEATURE_LOG_STOP     7u
#define USER_FEATURE_LOG_REPORT   8u
#define USER_FEATURE_STOP_SIZE    9u
#define USER_FEATURE_PRECOPY_INFO 0x6701u
#define USER_FEATURE_GET          (1u << 16)
#define USER_FEATURE_SET          (1u << 17)
#define USER_FEATURE_PROBE        (1u << 18)
#define USER_FEATURE_HEAD_BYTES   8u

/* Most bytes of data in one message that this client sends, takes, and offers to take. */
#define USER_MAX_DATA_BYTES    (1024u * 1024)
/* libvfio-user takes a message with one recv: what is larger than a socket's buffer breaks it. */
#define USER_PLAIN_WRITE_BYTES (128u * 1024)
#define USER_MAX_FDS           8u

#endif
