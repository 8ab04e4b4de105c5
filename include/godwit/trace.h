/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Seeing what is said to a device: each ioctl, read and write of a kernel device, each message of a vfio-user one, with
 * its arguments decoded, its result and its time. A device is traced from its opening on (gw_open_options.trace);
 * the function is called by whichever thread made the call, after it has ended, never two at once for one device; it
 * must not call the device.
 */
#ifndef GODWIT_TRACE_H
#define GODWIT_TRACE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_TRACE_MAX_FIELDS 16

#define GW_TRACE_NUMBER 0 /* decimal */
#define GW_TRACE_HEX    1 /* addresses, flags without names */
#define GW_TRACE_TEXT   2 /* names of states, features, flags */

struct gw_trace_field {
	const char *name; /* "device_state", as the uAPI or the specification calls it */
	uint32_t kind;    /* GW_TRACE_* */
	uint32_t reserved;
	uint64_t number;
	const char *text; /* of GW_TRACE_TEXT; valid during the call */
};

struct gw_trace_call {
	uint32_t size;     /* sizeof of this struct in the library */
	int32_t result;    /* of an ioctl, or bytes of a read or write; -errno: it failed */
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	uint64_t took_ns;
	const char *device; /* its id */
	const char *kind;   /* "ioctl", "read", "write", "message"; "command" is one that a vfio-user server sent */
	const char *name;   /* "VFIO_DEVICE_FEATURE", "data_fd", "DMA_MAP" */
	uint32_t nr_arguments, nr_answers;
	struct gw_trace_field arguments[GW_TRACE_MAX_FIELDS];
	struct gw_trace_field answers[GW_TRACE_MAX_FIELDS]; /* what came back beside the result */
};

struct gw_trace {
	uint32_t size; /* sizeof(struct gw_trace) of the caller */
	void (*call)(void *ctx, const struct gw_trace_call *call);
	void *ctx;
};

/*
 * One vfio-user message, header and all, as it was seen on a socket, decoded: for who stands between a client and a
 * server. Of a long one its first bytes will do: what they do not reach is left out. Of a reply, request is the message
 * that it answers, or NULL; its fields become the arguments. Fills kind (by its command: what only servers send is a
 * "command"), name, result and fields; times are 0 and device "", for the caller to set. Text is static or points into
 * `room`. -EBADMSG: no message.
 */
#define GW_TRACE_ROOM_BYTES 1024
int gw_trace_decode(const void *message, size_t size_bytes, const void *request, size_t request_bytes,
		    struct gw_trace_call *call, char room[GW_TRACE_ROOM_BYTES]);

#ifdef __cplusplus
}
#endif
#endif
