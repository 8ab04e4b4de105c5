/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages as frame bodies: a table from type to encode and decode, and the small bodies. Decoding reads the whole
 * body as a list, then asks twice: was it all there and nothing more (the cursor), is it in range (the decoder).
 */
#include "wire/message.h"

#include "wire/message_body.h"

#include <errno.h>
#include <string.h>

#define MAX_ERRNO 4095

static void hello_encode(struct wire_out *out, const struct message *message)
{
	const struct message_hello *hello = &message->hello;

	wire_put_u16(out, hello->version_min);
	wire_put_u16(out, hello->version_max);
	wire_put_u32(out, hello->features);
	wire_put_bytes(out, hello->migration_id, sizeof(hello->migration_id));
	wire_put_u32(out, hello->role);
	wire_put_u32(out, hello->channel);
	wire_put_u32(out, hello->nr_channels);
	wire_put_u32(out, hello->epoch);
	wire_put_u32(out, hello->reconnect_ms);
}

static bool hello_decode(struct wire_in *in, struct message *message)
{
	struct message_hello *hello = &message->hello;

	hello->version_min = wire_get_u16(in);
	hello->version_max = wire_get_u16(in);
	hello->features = wire_get_u32(in) & HELLO_FEATURES;
	wire_get_bytes(in, hello->migration_id, sizeof(hello->migration_id));
	hello->role = wire_get_u32(in);
	hello->channel = wire_get_u32(in);
	hello->nr_channels = wire_get_u32(in);
	hello->epoch = wire_get_u32(in);
	hello->reconnect_ms = wire_get_u32(in);

	if (hello->version_min == 0 || hello->version_min > hello->version_max)
		return false;
	if (hello->nr_channels == 0 || hello->nr_channels > GW_MAX_CHANNELS)
		return false;
	switch (hello->role) {
	case ROLE_CONTROL:
		return hello->channel == 0 && hello->epoch == 0;
	case ROLE_RESUME:
		return hello->channel == 0 && hello->epoch > 0;
	case ROLE_DATA:
		return hello->channel < hello->nr_channels;
	default:
		return false;
	}
}

static void welcome_encode(struct wire_out *out, const struct message *message)
{
	wire_put_u16(out, message->welcome.version);
	wire_put_u32(out, message->welcome.features);
}

static bool welcome_decode(struct wire_in *in, struct message *message)
{
	struct message_welcome *welcome = &message->welcome;

	welcome->version = wire_get_u16(in);
	welcome->features = wire_get_u32(in);
	return welcome->version != 0 && !(welcome->features & ~HELLO_FEATURES);
}

static void accept_encode(struct wire_out *out, const struct message *message)
{
	uint32_t nr = put_count(out, message->accept.nr_devices, GW_MAX_DEVICES);

	for (uint32_t i = 0; i < nr; i++)
		wire_put_u64(out, message->accept.window_bytes[i]);
}

static bool accept_decode(struct wire_in *in, struct message *message)
{
	struct message_accept *accept = &message->accept;
	bool sane = true;

	accept->nr_devices = get_count(in, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < accept->nr_devices; i++) {
		accept->window_bytes[i] = wire_get_u64(in);
		sane &= accept->window_bytes[i] >= LIMIT_DEVICE_BUFFER_BYTES &&
			accept->window_bytes[i] <= LIMIT_DEVICE_WINDOW_BYTES;
	}
	return sane;
}

static void loadable_encode(struct wire_out *out, const struct message *message)
{
	uint32_t nr = put_count(out, message->loadable.nr_devices, GW_MAX_DEVICES);

	for (uint32_t i = 0; i < nr; i++)
		wire_put_u64(out, message->loadable.arc_ns[i]);
}

static bool loadable_decode(struct wire_in *in, struct message *message)
{
	struct message_loadable *loadable = &message->loadable;
	bool sane = true;

	loadable->nr_devices = get_count(in, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < loadable->nr_devices; i++) {
		loadable->arc_ns[i] = wire_get_u64(in);
		sane &= loadable->arc_ns[i] <= LIMIT_DURATION_NS;
	}
	return sane;
}

static void grant_encode(struct wire_out *out, const struct message *message)
{
	wire_put_u32(out, message->grant.device);
	wire_put_u64(out, message->grant.loaded);
	wire_put_u64(out, message->grant.bytes);
	wire_put_u64(out, message->grant.busy_ns);
}

static bool grant_decode(struct wire_in *in, struct message *message)
{
	message->grant.device = wire_get_u32(in);
	message->grant.loaded = wire_get_u64(in);
	message->grant.bytes = wire_get_u64(in);
	message->grant.busy_ns = wire_get_u64(in);
	return message->grant.device < GW_MAX_DEVICES && message->grant.bytes <= LIMIT_DEVICE_WINDOW_BYTES &&
	       message->grant.busy_ns <= LIMIT_DURATION_NS;
}

static void initial_loaded_encode(struct wire_out *out, const struct message *message)
{
	wire_put_u32(out, message->initial_loaded.device);
	wire_put_u64(out, message->initial_loaded.number);
}

static bool initial_loaded_decode(struct wire_in *in, struct message *message)
{
	message->initial_loaded.device = wire_get_u32(in);
	message->initial_loaded.number = wire_get_u64(in);
	return message->initial_loaded.device < GW_MAX_DEVICES;
}

static void vm_state_encode(struct wire_out *out, const struct message *message)
{
	uint32_t nr = put_count(out, message->vm_state.nr_bytes, LIMIT_VM_STATE_BYTES);

	wire_put_bytes(out, message->vm_state.bytes, nr);
}

static bool vm_state_decode(struct wire_in *in, struct message *message)
{
	message->vm_state.nr_bytes = get_count(in, LIMIT_VM_STATE_BYTES);
	message->vm_state.bytes = wire_get_borrowed(in, message->vm_state.nr_bytes);
	return true;
}

static void put_total(struct wire_out *out, const struct device_total *total)
{
	wire_put_u64(out, total->bytes);
	wire_put_u64(out, total->buffers);
	wire_put_u64(out, total->digest);
}

static void get_total(struct wire_in *in, struct device_total *total)
{
	total->bytes = wire_get_u64(in);
	total->buffers = wire_get_u64(in);
	total->digest = wire_get_u64(in);
}

static void prepare_encode(struct wire_out *out, const struct message *message)
{
	const struct message_prepare *prepare = &message->prepare;
	uint32_t nr;

	wire_put_u64(out, prepare->ram_frames);
	wire_put_u64(out, prepare->ram_pages);
	wire_put_u64(out, prepare->vm_state_bytes);
	wire_put_u64(out, prepare->vm_state_digest);
	nr = put_count(out, prepare->nr_devices, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < nr; i++)
		put_total(out, &prepare->devices[i]);
}

static bool prepare_decode(struct wire_in *in, struct message *message)
{
	struct message_prepare *prepare = &message->prepare;

	prepare->ram_frames = wire_get_u64(in);
	prepare->ram_pages = wire_get_u64(in);
	prepare->vm_state_bytes = wire_get_u64(in);
	prepare->vm_state_digest = wire_get_u64(in);
	prepare->nr_devices = get_count(in, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < prepare->nr_devices; i++)
		get_total(in, &prepare->devices[i]);
	return prepare->vm_state_bytes <= LIMIT_VM_STATE_BYTES;
}

static void ready_encode(struct wire_out *out, const struct message *message)
{
	wire_put_u64(out, message->ready.last_byte_to_ready_ns);
	wire_put_u64(out, message->ready.vm_state_digest);
}

static bool ready_decode(struct wire_in *in, struct message *message)
{
	message->ready.last_byte_to_ready_ns = wire_get_u64(in);
	message->ready.vm_state_digest = wire_get_u64(in);
	return message->ready.last_byte_to_ready_ns <= LIMIT_DURATION_NS;
}

static void failed_encode(struct wire_out *out, const struct message *message)
{
	wire_put_u32(out, (uint32_t)message->failed.code);
	wire_put_text(out, message->failed.where);
	wire_put_text(out, message->failed.what);
}

static bool failed_decode(struct wire_in *in, struct message *message)
{
	struct message_failed *failed = &message->failed;

	failed->code = (int32_t)wire_get_u32(in);
	wire_get_text(in, failed->where, sizeof(failed->where));
	wire_get_text(in, failed->what, sizeof(failed->what));
	return failed->code < 0 && failed->code >= -MAX_ERRNO;
}

static void running_encode(struct wire_out *out, const struct message *message)
{
	wire_put_u64(out, message->running.commit_to_running_ns);
}

static bool running_decode(struct wire_in *in, struct message *message)
{
	message->running.commit_to_running_ns = wire_get_u64(in);
	return message->running.commit_to_running_ns <= LIMIT_DURATION_NS;
}

static void put_loaded(struct wire_out *out, const struct device_loaded *loaded)
{
	uint32_t nr;

	wire_put_u64(out, loaded->load_ns);
	nr = put_count(out, loaded->nr_arcs, GW_MAX_ARCS);
	for (uint32_t i = 0; i < nr; i++) {
		wire_put_u8(out, loaded->arcs[i].from);
		wire_put_u8(out, loaded->arcs[i].to);
		wire_put_u64(out, loaded->arcs[i].ns);
	}
	put_total(out, &loaded->total);
}

static bool get_loaded(struct wire_in *in, struct device_loaded *loaded)
{
	bool sane;

	loaded->load_ns = wire_get_u64(in);
	loaded->nr_arcs = get_count(in, GW_MAX_ARCS);
	sane = loaded->load_ns <= LIMIT_DURATION_NS;
	for (uint32_t i = 0; i < loaded->nr_arcs; i++) {
		struct gw_arc_time *arc = &loaded->arcs[i];

		arc->from = wire_get_u8(in);
		arc->to = wire_get_u8(in);
		arc->ns = wire_get_u64(in);
		sane &= arc->from < GW_NR_STATES && arc->to < GW_NR_STATES && arc->ns <= LIMIT_DURATION_NS;
	}
	get_total(in, &loaded->total);
	return sane;
}

static void summary_encode(struct wire_out *out, const struct message *message)
{
	const struct message_summary *summary = &message->summary;
	uint32_t nr;

	wire_put_u64(out, summary->peak_rss_bytes);
	wire_put_u64(out, summary->ram_digest);
	nr = put_count(out, summary->nr_devices, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < nr; i++)
		put_loaded(out, &summary->devices[i]);
}

static bool summary_decode(struct wire_in *in, struct message *message)
{
	struct message_summary *summary = &message->summary;
	bool sane = true;

	summary->peak_rss_bytes = wire_get_u64(in);
	summary->ram_digest = wire_get_u64(in);
	summary->nr_devices = get_count(in, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < summary->nr_devices; i++)
		sane &= get_loaded(in, &summary->devices[i]);
	return sane;
}

static void resumed_encode(struct wire_out *out, const struct message *message)
{
	const struct message_resumed *resumed = &message->resumed;
	uint32_t nr;

	wire_put_u32(out, resumed->phase);
	nr = put_count(out, resumed->nr_channels, GW_MAX_CHANNELS);
	for (uint32_t i = 0; i < nr; i++)
		wire_put_u64(out, resumed->ram_frames[i]);
	nr = put_count(out, resumed->nr_devices, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < nr; i++) {
		wire_put_u64(out, resumed->devices[i].next);
		wire_put_u64(out, resumed->devices[i].loaded);
		wire_put_u64(out, resumed->devices[i].initial_loaded);
	}
}

static bool resumed_decode(struct wire_in *in, struct message *message)
{
	struct message_resumed *resumed = &message->resumed;
	bool sane = true;

	resumed->phase = wire_get_u32(in);
	resumed->nr_channels = get_count(in, GW_MAX_CHANNELS);
	for (uint32_t i = 0; i < resumed->nr_channels; i++)
		resumed->ram_frames[i] = wire_get_u64(in);
	resumed->nr_devices = get_count(in, GW_MAX_DEVICES);
	for (uint32_t i = 0; i < resumed->nr_devices; i++) {
		struct device_resumed *device = &resumed->devices[i];

		device->next = wire_get_u64(in);
		device->loaded = wire_get_u64(in);
		device->initial_loaded = wire_get_u64(in);
		sane &= device->loaded <= device->next && device->initial_loaded <= device->loaded;
	}
	return sane && resumed->phase >= RESUMED_LOADING && resumed->phase <= RESUMED_STARTING;
}

static void needs_encode(struct wire_out *out, const struct message *message)
{
	uint32_t nr = put_count(out, message->needs.nr_bytes, GW_MAX_NEEDS_BYTES);

	wire_put_bytes(out, message->needs.bytes, nr);
}

static bool needs_decode(struct wire_in *in, struct message *message)
{
	message->needs.nr_bytes = get_count(in, GW_MAX_NEEDS_BYTES);
	message->needs.bytes = wire_get_borrowed(in, message->needs.nr_bytes);
	return true;
}

static void nothing_encode(struct wire_out *out, const struct message *message)
{
}

static bool nothing_decode(struct wire_in *in, struct message *message)
{
	return true;
}

static const struct message_codec {
	void (*encode)(struct wire_out *out, const struct message *message);
	bool (*decode)(struct wire_in *in, struct message *message);
} codecs[] = {
	[FRAME_HELLO] = { hello_encode, hello_decode },
	[FRAME_WELCOME] = { welcome_encode, welcome_decode },
	[FRAME_MANIFEST] = { message_manifest_encode, message_manifest_decode },
	[FRAME_ACCEPT] = { accept_encode, accept_decode },
	[FRAME_REFUSE] = { message_refuse_encode, message_refuse_decode },
	[FRAME_LOADABLE] = { loadable_encode, loadable_decode },
	[FRAME_GRANT] = { grant_encode, grant_decode },
	[FRAME_INITIAL_LOADED] = { initial_loaded_encode, initial_loaded_decode },
	[FRAME_VM_STATE] = { vm_state_encode, vm_state_decode },
	[FRAME_PREPARE] = { prepare_encode, prepare_decode },
	[FRAME_READY] = { ready_encode, ready_decode },
	[FRAME_FAILED] = { failed_encode, failed_decode },
	[FRAME_COMMIT] = { nothing_encode, nothing_decode },
	[FRAME_RUNNING] = { running_encode, running_decode },
	[FRAME_SUMMARY] = { summary_encode, summary_decode },
	[FRAME_CANCEL] = { nothing_encode, nothing_decode },
	[FRAME_PING] = { nothing_encode, nothing_decode },
	[FRAME_RESUMED] = { resumed_encode, resumed_decode },
	[FRAME_NEEDS] = { needs_encode, needs_decode },
};

static const struct message_codec *find_codec(uint16_t type)
{
	return type < ARRAY_SIZE(codecs) && codecs[type].encode ? &codecs[type] : NULL;
}

const char *message_name(uint16_t type)
{
	return find_codec(type) ? frame_name(type) : "?";
}

/* All are small but the VM's state: a buffer for its bound would be mostly unused. */
size_t message_max_bytes(const struct message *message)
{
	if (message->type == FRAME_VM_STATE)
		return sizeof(uint32_t) + message->vm_state.nr_bytes;
	return find_codec(message->type) ? frame_max_bytes(message->type) : 0;
}

ssize_t message_encode(const struct message *message, void *buf, size_t size_bytes)
{
	const struct message_codec *codec = find_codec(message->type);
	struct wire_out out = wire_out(buf, size_bytes);

	if (!codec)
		return -EMSGSIZE;
	codec->encode(&out, message);
	return out.bad ? -EMSGSIZE : (ssize_t)out.used;
}

int message_decode(uint16_t type, const void *buf, size_t size_bytes, struct message *message)
{
	const struct message_codec *codec = find_codec(type);
	struct wire_in in = wire_in(buf, size_bytes);
	bool sane;

	memset(message, 0, sizeof(*message));
	message->type = type;
	if (!codec)
		return -EPROTONOSUPPORT;
	if (size_bytes > frame_max_bytes(type))
		return -EBADMSG;
	sane = codec->decode(&in, message);
	return sane && wire_in_ended(&in) ? 0 : -EBADMSG;
}
