/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages: what the two sides say to each other, as structs and as frame bodies. The engines speak in these;
 * the session carries them. The document is doc/wire.md.
 */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include "model/limits.h"
#include "model/manifest.h"
#include "wire/frame.h"

#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION_MIN   1
#define WIRE_VERSION_MAX   1
#define MIGRATION_ID_BYTES 16

/* Features. */
#define HELLO_VERIFY    (1u << 0) /* page digests are kept and compared at the end */
#define HELLO_ARBITER   (1u << 1) /* whoever runs the guest after PREPARE has claimed it first */
#define HELLO_DRY_RUN   (1u << 2) /* compare the manifests, answer, forget */
#define HELLO_REHEARSAL (1u << 3) /* ends before the guest is paused; the destination then waits again */
#define HELLO_FEATURES  15u

/* RESUME: a control channel for a migration that has been accepted and lost its channels; answered by RESUMED. */
enum channel_role { ROLE_CONTROL = 1, ROLE_DATA = 2, ROLE_RESUME = 3 };

/* source -> destination, first on every channel; the destination answers WELCOME on the control channel only. */
struct message_hello {
	uint16_t version_min, version_max;
	uint32_t features; /* wanted; unknown bits are ignored */
	uint8_t migration_id[MIGRATION_ID_BYTES];
	uint32_t role;    /* enum channel_role */
	uint32_t channel; /* data: 0 .. nr_channels - 1 */
	uint32_t nr_channels;
	uint32_t epoch;        /* 0, then counts each RESUME: a data channel is of the epoch of its control channel */
	uint32_t reconnect_ms; /* how long the source tries to come back if the channels break; 0: it does not */
};

struct message_welcome {
	uint16_t version;
	uint32_t features; /* those agreed on */
};

/* The destination takes the guest: how much of each device's state may be on the way. */
struct message_accept {
	uint32_t nr_devices;
	uint64_t window_bytes[GW_MAX_DEVICES]; /* LIMIT_DEVICE_BUFFER_BYTES .. LIMIT_DEVICE_WINDOW_BYTES */
};

/* Every device is in RESUMING, memory is there: from now on the source may pause the guest. */
struct message_loadable {
	uint32_t nr_devices;
	uint64_t arc_ns[GW_MAX_DEVICES]; /* what an arc of the device takes here, for the estimate; 0: none was seen */
};

/* Room again: the source may have a window's worth of buffers on the way that are not acknowledged by .loaded. */
struct message_grant {
	uint32_t device;
	uint64_t loaded;  /* all buffers with a number below are loaded */
	uint64_t bytes;   /* that were loaded since the last GRANT of the device */
	uint64_t busy_ns; /* how long it took the device to take these bytes */
};

struct message_initial_loaded {
	uint32_t device;
	uint64_t number; /* of the buffer that carried the mark: a device may re-arm its initial bytes */
};

/* Before MANIFEST, if there is something: the VMM's own bytes, for the destination's VMM. */
struct message_needs {
	const uint8_t *bytes; /* borrowed, as those of VM_STATE */
	uint32_t nr_bytes;    /* up to GW_MAX_NEEDS_BYTES */
};

struct message_vm_state {
	const uint8_t *bytes; /* borrowed from the body it was decoded from */
	uint32_t nr_bytes;
};

struct device_total {
	uint64_t bytes;
	uint64_t buffers;
	uint64_t digest; /* XXH3-64 of the device's whole stream, in order */
};

/* All has been sent; what must have arrived for the guest to be whole. */
struct message_prepare {
	uint64_t ram_frames; /* over all data channels */
	uint64_t ram_pages;  /* pages and zero marks */
	uint64_t vm_state_bytes;
	uint64_t vm_state_digest;
	uint32_t nr_devices;
	struct device_total devices[GW_MAX_DEVICES];
};

struct device_loaded {
	uint64_t load_ns;
	uint32_t nr_arcs;
	struct gw_arc_time arcs[GW_MAX_ARCS];
	struct device_total total;
};

/* READY, and later SUMMARY, tell how loading went; READY's digests are those of what was loaded. */
struct message_ready {
	uint64_t last_byte_to_ready_ns; /* from the last data received to now */
	uint64_t vm_state_digest;       /* of the state the VM gave back when asked for it again */
};

struct message_failed {
	int32_t code; /* -errno */
	char where[GW_ERROR_WHERE_BYTES];
	char what[GW_ERROR_WHAT_BYTES];
};

struct message_running {
	uint64_t commit_to_running_ns; /* on the destination's clock */
};

/* After RUNNING, for the report; nothing depends on it. */
struct message_summary {
	uint64_t peak_rss_bytes;
	uint64_t ram_digest; /* 0 unless HELLO_VERIFY */
	uint32_t nr_devices;
	struct device_loaded devices[GW_MAX_DEVICES];
};

enum resumed_phase {
	RESUMED_LOADING = 1, /* not all is here; PREPARE is due, if it came before it is forgotten */
	RESUMED_HAS_ALL,     /* all that PREPARE promised is here; READY is due or follows */
	RESUMED_STARTING,    /* COMMIT came; RUNNING or FAILED is due or follows */
};

struct device_resumed {
	uint64_t next;           /* all buffers below have come; this one is due */
	uint64_t loaded;         /* all buffers below are loaded, too */
	uint64_t initial_loaded; /* 1 + the number of the last buffer with the mark that is loaded; 0: none */
};

/* What is there after the channels broke. */
struct message_resumed {
	uint32_t phase; /* enum resumed_phase */
	uint32_t nr_channels;
	uint64_t ram_frames[GW_MAX_CHANNELS]; /* whole, on each data channel since the last RESUMED, but the last */
	uint32_t nr_devices;
	struct device_resumed devices[GW_MAX_DEVICES];
};

struct message {
	uint16_t type; /* enum frame_type, control types */
	union {
		struct message_hello hello;
		struct message_welcome welcome;
		struct manifest manifest;
		struct message_accept accept;
		struct reasons refuse;
		struct message_loadable loadable;
		struct message_grant grant;
		struct message_initial_loaded initial_loaded;
		struct message_vm_state vm_state;
		struct message_prepare prepare;
		struct message_ready ready;
		struct message_failed failed;
		struct message_running running;
		struct message_summary summary;
		struct message_resumed resumed;
		struct message_needs needs;
		/* COMMIT, CANCEL, PING have no body */
	};
};

const char *message_name(uint16_t type); /* "PREPARE"; "?" if unknown */

/* How much room the body may need at most; encode never needs more. */
size_t message_max_bytes(const struct message *message);
/* Returns body bytes, or -EMSGSIZE. */
ssize_t message_encode(const struct message *message, void *buf, size_t size_bytes);
/*
 * 0, -EBADMSG, or -EPROTONOSUPPORT: no message of this version. Every count, enum and text is checked; what remains
 * to check needs the VM. Versions are not judged: the engines do, and say what they wanted.
 */
int message_decode(uint16_t type, const void *buf, size_t size_bytes, struct message *message);

#endif
