/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VERSION: what this client offers, and what came of it. Every capability is optional and a value of the wrong kind
 * counts as absent: what cannot be understood cannot be relied on, and the protocol has a default for everything.
 */
#ifndef DEVICE_USER_VERSION_H
#define DEVICE_USER_VERSION_H

#include <godwit/error.h>
#include <stddef.h>
#include <stdint.h>

/* The parts of doc/vfio-user-extension.md. */
#define USER_EXT_PRECOPY_INFO (1u << 0)
#define USER_EXT_STOP_SIZE    (1u << 1)
#define USER_EXT_P2P          (1u << 2)
#define USER_EXT_DATA_SOCKET  (1u << 3)
#define USER_EXT_REINIT       (1u << 4)
#define USER_EXT_ALL          ((1u << 5) - 1)
#define USER_EXT_PRESENT      (1u << 5) /* the server knows the extension, whatever of it it has */

struct user_server {
	uint32_t max_msg_fds;
	uint32_t max_data_bytes; /* in one message: its limit and ours */
	uint32_t max_dma_maps;
	uint64_t page_sizes;
	uint64_t max_bitmap_bytes; /* of one dirty report; 0: not stated */
	uint32_t extension;        /* USER_EXT_* */
	uint32_t data_fd_index;    /* which descriptor of the reply is the data socket */
};

/*
 * The payload of the request: malloc'ed, *size_bytes long. NULL: no memory. extension: USER_EXT_* to offer; 0: nothing
 * is said of it.
 */
void *user_version_offer(uint32_t extension, size_t *size_bytes);

/* The payload of the reply. -EPROTONOSUPPORT: a version not offered; -EBADMSG: no JSON object where one should be. */
int user_version_read(const void *reply, size_t size_bytes, const char *where, struct user_server *server,
		      struct gw_error *e);

#endif
