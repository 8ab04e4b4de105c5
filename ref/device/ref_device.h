/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device as a program part: a vfio-user server for one device, on one AF_UNIX path. Everything
 * else in this folder is behind these few names. It prints nothing and installs no signal handler; the
 * caller owns the options and stop_fd. What the device is to a driver: ref/device_registers.h.
 */
#ifndef REF_DEVICE_H
#define REF_DEVICE_H

#include <stddef.h>
#include <stdint.h>

#define REF_DEVICE_MAX_ARC_LATENCIES 32
#define REF_DEVICE_MAX_FAULTS        64

/* Parts of the device that can be switched off, to see how a client does without them. */
#define REF_DEVICE_NO_EXTENSION (1u << 0) /* plain vfio-user: doc/vfio-user-extension.md not offered */
#define REF_DEVICE_NO_P2P       (1u << 1)
#define REF_DEVICE_NO_PRECOPY   (1u << 2)
#define REF_DEVICE_NO_DMA_LOG   (1u << 3)
#define REF_DEVICE_NO_MIGRATION (1u << 4)

/* One arc of the migration state machine takes this long, instead of transition_latency_ns. */
struct ref_device_arc_latency {
	uint32_t from; /* the uAPI's state numbers */
	uint32_t to;
	uint64_t latency_ns;
};

struct ref_device_options {
	uint64_t state_bytes;      /* local memory: a multiple of 4096, 64 KiB to 1 TiB */
	uint64_t initial_bytes;    /* of it sent as "initial bytes"; UINT64_MAX: min(1 MiB, a quarter) */
	uint64_t read_bytes_per_s; /* device state read by the client; 0: as fast as it can */
	uint64_t load_bytes_per_s; /* device state written by the client; 0: as fast as it can */
	uint64_t serial;
	uint64_t transition_latency_ns;
	uint32_t rearms;     /* how often, in the life of the device, its initial bytes are armed anew in PRE_COPY */
	uint32_t rearms_p2p; /* and on the arc to PRE_COPY_P2P; what both need must not be switched off */
	int ready_fd;        /* gets an 8-byte 1 (eventfd or pipe) once the socket listens; -1: none */
	uint32_t without;    /* REF_DEVICE_NO_* */
	uint32_t nr_arc_latencies;
	struct ref_device_arc_latency arc_latencies[REF_DEVICE_MAX_ARC_LATENCIES];
	const char *control_path; /* a socket to be told of faults on, and asked; NULL: none */
	uint32_t nr_faults;
	const char *faults[REF_DEVICE_MAX_FAULTS]; /* man/godwit-device.1.scd: POINT[:ARG[:ARG]]=ACTION... */
};

void ref_device_options_init(struct ref_device_options *options);

/* Whether a fault is one: 0, or -EINVAL with a sentence. */
int ref_device_check_fault(const char *fault, char *error, size_t error_bytes);

/*
 * Serves clients on socket_path, one after the other, until stop_fd becomes readable; removes the socket then
 * and returns 0. -ECONNABORTED: a fault told it to die. A socket file that nobody listens on is replaced, one with a
 * listener is -EADDRINUSE. On failure returns -errno and puts a sentence into error (always terminated, without a
 * newline).
 */
int ref_device_run(const char *socket_path, const struct ref_device_options *options, int stop_fd, char *error,
		   size_t error_bytes);

#endif
