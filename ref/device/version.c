/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * VERSION: the first message, where both sides say what they can in JSON. Agrees on 0.min(theirs, 2), and on the
 * parts of godwit's extension (doc/vfio-user-extension.md) that both sides have. A client that sends no JSON, or
 * keys that are unknown here, is fine; one whose JSON is not JSON is refused.
 */
#include "ref/device/command.h"
#include "ref/device/cursor.h"
#include "ref/device/device.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>

#define VERSION_MAJOR      0
#define VERSION_MAX_MINOR  2
#define VERSION_HEAD_BYTES 4

static const struct part {
	const char *key;
	uint32_t bit;
	uint32_t switched_off; /* by these options */
} parts[] = {
	{ "precopy_info", CLIENT_PRECOPY_INFO, REF_DEVICE_NO_MIGRATION | REF_DEVICE_NO_PRECOPY },
	{ "stop_size", CLIENT_STOP_SIZE, REF_DEVICE_NO_MIGRATION },
	{ "p2p", CLIENT_P2P, REF_DEVICE_NO_MIGRATION | REF_DEVICE_NO_P2P },
	{ "data_socket", CLIENT_DATA_SOCKET, REF_DEVICE_NO_MIGRATION },
	{ "reinit", CLIENT_REINIT, 0 },
};

/* A part is offered as `true`, or as an object that says so itself. */
static bool is_offered(const json_t *value)
{
	return json_is_true(value) || json_is_true(json_object_get(value, "supported"));
}

static uint32_t common_parts(const struct ref_device_options *options, const json_t *theirs)
{
	uint32_t common = 0;

	if (options->without & REF_DEVICE_NO_EXTENSION)
		return 0;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!(options->without & parts[i].switched_off) && is_offered(json_object_get(theirs, parts[i].key)))
			common |= parts[i].bit;
	/* Re-arming is told in the flags of precopy_info's replies, and nowhere else. */
	return common & CLIENT_PRECOPY_INFO ? common : common & ~CLIENT_REINIT;
}

/* What a client says of itself must at least have the right type; no limit of a client's matters to this device. */
static int check_capabilities(const json_t *capabilities)
{
	static const char *const integers[] = { "max_msg_fds", "max_data_xfer_size", "pgsizes", "max_dma_maps" };

	if (capabilities && !json_is_object(capabilities))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
		const json_t *value = json_object_get(capabilities, integers[i]);

		if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
			return -EINVAL;
	}
	return 0;
}

/* The client's JSON, which ends in a NUL: 0 with *extension set to the common parts. */
static int read_capabilities(const struct ref_device_options *options, const struct cursor *c, uint32_t *extension)
{
	const json_t *capabilities;
	json_t *root;
	int ret = -EINVAL;

	*extension = 0;
	if (!c->left)
		return 0;
	if (c->at[c->left - 1])
		return -EINVAL;
	root = json_loadb((const char *)c->at, c->left - 1, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(root)) {
		capabilities = json_object_get(root, "capabilities");
		ret = check_capabilities(capabilities);
		if (!ret)
			*extension = common_parts(options, json_object_get(capabilities, "godwit"));
	}
	json_decref(root);
	return ret;
}

static json_t *extension_json(uint32_t extension)
{
	json_t *object = json_object();

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (extension & parts[i].bit & ~CLIENT_DATA_SOCKET)
			json_object_set_new(object, parts[i].key, json_true());
	if (extension & CLIENT_DATA_SOCKET)
		json_object_set_new(object, "data_socket", json_pack("{s:b,s:i}", "supported", 1, "fd_index", 0));
	return object;
}

static char *reply_json(const struct client *client)
{
	json_t *root, *capabilities;
	char *text;

	root = json_pack("{s:{s:i,s:I,s:i,s:i,s:{s:i,s:I}}}", "capabilities", "max_msg_fds", MESSAGE_MAX_FDS,
			 "max_data_xfer_size", (json_int_t)MESSAGE_MAX_DATA, "pgsizes", DMA_MAP_PAGESIZE,
			 "max_dma_maps", DMA_MAP_MAX, "migration", "pgsize", DMA_MAP_PAGESIZE, "max_bitmap_size",
			 (json_int_t)DMA_LOG_MAX_BITMAP_BYTES);
	capabilities = json_object_get(root, "capabilities");
	if (client->extension)
		json_object_set_new(capabilities, "godwit", extension_json(client->extension));
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

static int answer(struct client *client, struct reply *reply, uint16_t minor)
{
	char *text = reply_json(client);
	size_t size = VERSION_HEAD_BYTES + (text ? strlen(text) + 1 : 0);
	struct writer w;

	if (!text || !ref_reply_reserve(reply, size)) {
		free(text);
		return -ENOMEM;
	}
	w = writer_over(reply->body, size);
	writer_u16(&w, VERSION_MAJOR);
	writer_u16(&w, minor < VERSION_MAX_MINOR ? minor : VERSION_MAX_MINOR);
	writer_put(&w, text, strlen(text) + 1);
	free(text);
	return w.bad ? -ENOMEM : 0;
}

/* One end stays here, the other goes with the reply. */
static int open_data_socket(struct client *client, struct reply *reply)
{
	int ends[2];

	if (!(client->extension & CLIENT_DATA_SOCKET))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	client->data.fd = ends[0];
	reply->fd = ends[1];
	return 0;
}

int ref_version(struct client *client, struct request *request, struct reply *reply)
{
	struct cursor c = cursor_over(request->body, request->size);
	uint16_t major = cursor_u16(&c), minor = cursor_u16(&c);
	int ret = -EINVAL;

	if (!c.bad && major == VERSION_MAJOR)
		ret = read_capabilities(client->dev->options, &c, &client->extension);
	if (!ret)
		ret = answer(client, reply, minor);
	if (!ret)
		ret = open_data_socket(client, reply);
	if (!ret && client->extension & CLIENT_REINIT)
		ref_migration_opt_in(client->dev);
	client->greeted = !ret;
	return ret;
}
