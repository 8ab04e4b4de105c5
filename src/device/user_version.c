/* SPDX-License-Identifier: BSD-3-Clause */
/* VERSION's two halves: the offer as JSON, and the server's capabilities read with a default for each. */
#include "device/user_version.h"

#include "base/bits.h"
#include "base/err.h"
#include "device/user_proto.h"
#include "wire/cursor.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_BYTES 4u

/* The protocol's defaults. */
#define DEFAULT_MSG_FDS    1
#define DEFAULT_DATA_BYTES (1024 * 1024)
#define DEFAULT_DMA_MAPS   65535
#define DEFAULT_PAGE_SIZES 4096

/* A server that takes less in a message could not be given a register's value. */
#define LEAST_DATA_BYTES 8

static const struct part {
	const char *key;
	uint32_t bit;
} parts[] = {
	{ "precopy_info", USER_EXT_PRECOPY_INFO }, { "stop_size", USER_EXT_STOP_SIZE }, { "p2p", USER_EXT_P2P },
	{ "data_socket", USER_EXT_DATA_SOCKET },   { "reinit", USER_EXT_REINIT },
};

static json_t *offer_extension(uint32_t extension)
{
	json_t *offer = json_object();

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		if (extension & parts[i].bit)
			json_object_set_new(offer, parts[i].key, json_true());
	return offer;
}

static char *offer_json(uint32_t extension)
{
	json_int_t page = sysconf(_SC_PAGESIZE);
	json_t *root;
	char *text;

	/* The last value may be NULL: the key is left out then. */
	root = json_pack("{s:{s:i,s:i,s:I,s:b,s:{s:I},s:o*}}", "capabilities", "max_msg_fds", USER_MAX_FDS,
			 "max_data_xfer_size", USER_MAX_DATA_BYTES, "pgsizes", page, "write_multiple", 0, "migration",
			 "pgsize", page, "godwit", extension ? offer_extension(extension) : NULL);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

void *user_version_offer(uint32_t extension, size_t *size_bytes)
{
	char *text = offer_json(extension);
	struct wire_out out;
	uint8_t *buf;

	if (!text)
		return NULL;
	*size_bytes = HEAD_BYTES + strlen(text) + 1;
	buf = malloc(*size_bytes);
	if (buf) {
		out = wire_out(buf, *size_bytes);
		wire_put_u16(&out, USER_VERSION_MAJOR);
		wire_put_u16(&out, USER_VERSION_MINOR);
		wire_put_bytes(&out, text, strlen(text) + 1);
	}
	free(text);
	return buf;
}

/* The integer, if it is one of at least `least`; else what the protocol says for its absence. */
static uint64_t read_integer(const json_t *object, const char *key, json_int_t least, uint64_t absent)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < least)
		return absent;
	return (uint64_t)json_integer_value(value);
}

/* `true`, or an object that says so itself. */
static bool is_offered(const json_t *value)
{
	return json_is_true(value) || json_is_true(json_object_get(value, "supported"));
}

static void read_extension(const json_t *extension, struct user_server *server)
{
	const json_t *socket = json_object_get(extension, "data_socket");

	if (!json_is_object(extension))
		return;
	server->extension = USER_EXT_PRESENT;
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++)
		if (is_offered(json_object_get(extension, parts[i].key)))
			server->extension |= parts[i].bit;
	server->data_fd_index = (uint32_t)min_u64(read_integer(socket, "fd_index", 0, 0), UINT32_MAX);
}

/* capabilities may be NULL, or anything: jansson's getters answer NULL for what is no object. */
static void read_capabilities(const json_t *capabilities, struct user_server *server)
{
	uint64_t fds = read_integer(capabilities, "max_msg_fds", 0, DEFAULT_MSG_FDS);
	uint64_t data = read_integer(capabilities, "max_data_xfer_size", LEAST_DATA_BYTES, DEFAULT_DATA_BYTES);
	uint64_t maps = read_integer(capabilities, "max_dma_maps", 1, DEFAULT_DMA_MAPS);
	const json_t *migration = json_object_get(capabilities, "migration");

	server->max_msg_fds = (uint32_t)min_u64(fds, USER_MAX_FDS);
	server->max_data_bytes = (uint32_t)min_u64(data, USER_MAX_DATA_BYTES);
	server->max_dma_maps = (uint32_t)min_u64(maps, DEFAULT_DMA_MAPS);
	server->page_sizes = read_integer(capabilities, "pgsizes", 1, DEFAULT_PAGE_SIZES);
	server->max_bitmap_bytes = read_integer(migration, "max_bitmap_size", 1, 0);
	read_extension(json_object_get(capabilities, "godwit"), server);
}

int user_version_read(const void *reply, size_t size_bytes, const char *where, struct user_server *server,
		      struct gw_error *e)
{
	struct wire_in in = wire_in(reply, size_bytes);
	unsigned major = wire_get_u16(&in), minor = wire_get_u16(&in);
	json_t *root = NULL;

	*server = (struct user_server){ 0 };
	if (in.bad)
		return err_set(e, -EBADMSG, where, "the server's VERSION reply is too short");
	if (major != USER_VERSION_MAJOR || minor > USER_VERSION_MINOR)
		return err_set(e, -EPROTONOSUPPORT, where, "the server speaks vfio-user %u.%u, godwit %u.%u", major,
			       minor, USER_VERSION_MAJOR, USER_VERSION_MINOR);
	while (in.left && !in.at[in.left - 1])
		in.left--;
	if (in.left) {
		root = json_loadb((const char *)in.at, in.left, 0, NULL);
		if (!json_is_object(root)) {
			json_decref(root);
			return err_set(e, -EBADMSG, where,
				       "the capabilities in the server's VERSION reply are no JSON");
		}
	}
	read_capabilities(json_object_get(root, "capabilities"), server);
	json_decref(root);
	return 0;
}
