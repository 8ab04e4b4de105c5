/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The manifest: what will come, told before anything comes. Each side makes one of its own VM; the destination
 * compares the source's with its own and answers with every reason against it at once, each one a sentence with
 * a remedy, while the source's guest still runs.
 */
#ifndef MODEL_MANIFEST_H
#define MODEL_MANIFEST_H

#include <godwit/report.h>
#include <godwit/vm.h>
#include <stdbool.h>
#include <stdint.h>

struct manifest_ram {
	char id[GW_NAME_BYTES];
	uint64_t gpa;
	uint64_t size_bytes;
};

#define MANIFEST_DEVICE_DIRTY_TRACKED (1u << 0) /* the source can tell which RAM the device wrote */
#define MANIFEST_DEVICE_SIZES_KNOWN   (1u << 1) /* stop_bytes means something */
#define MANIFEST_DEVICE_FLAGS         3u

struct manifest_device {
	char id[GW_DEVICE_ID_BYTES];
	struct gw_device_info info;
	uint64_t stop_bytes; /* stop-copy size as the device tells it */
	uint32_t flags;      /* MANIFEST_DEVICE_* */
};

struct manifest {
	char vm_name[GW_NAME_BYTES];
	uint64_t page_bytes; /* GW_PAGE_BYTES of the sender */
	uint32_t nr_ram;
	uint32_t nr_devices;
	struct manifest_ram ram[GW_MAX_RAM_BLOCKS];
	struct manifest_device devices[GW_MAX_DEVICES];
};

/* Why a migration cannot be: a stable code for programs, a sentence for people. */
enum reason_code {
	REASON_NONE = 0,
	REASON_NO_MIGRATION = 1, /* a device (or its vfio-user server) cannot migrate */
	REASON_NO_STOP_COPY = 2,
	REASON_NO_P2P = 3,          /* several devices and one without P2P */
	REASON_NO_PRECOPY_INFO = 4, /* PRE_COPY claimed, its info call missing */
	REASON_RAM_MISSING = 5,     /* memory maps differ */
	REASON_RAM_DIFFERS = 6,
	REASON_DEVICE_MISSING = 7, /* the other side lacks the device, or has one too many */
	REASON_DEVICE_EXTRA = 8,
	REASON_DEVICE_DIFFERS = 9,     /* another model */
	REASON_DEVICE_CAPABILITY = 10, /* less capable than the source's */
	REASON_PAGE_SIZE = 11,
	REASON_BUSY = 12,         /* the destination is taken, or not waiting for a guest */
	REASON_DUPLICATE_ID = 13, /* two devices or RAM blocks with one id */
	REASON_DEVICE_STATE = 14, /* a device is not in a state from which it can start */
	REASON_OTHER = 15,
	REASON_ARBITER = 16,    /* one side has none, or the two do not see the same, or it cannot be used */
	REASON_HOST_LACKS = 17, /* what the guest needs beside RAM and devices: gw_vm_ops.lacks says it */
};
#define NR_REASON_CODES 18

struct reason {
	uint32_t code; /* enum reason_code */
	char where[GW_ERROR_WHERE_BYTES];
	char what[GW_ERROR_WHAT_BYTES];
};

struct reasons {
	uint32_t nr; /* how many are in list; more than LIMIT_REASONS are cut */
	struct reason list[32];
};

const char *reason_code_name(uint32_t code); /* "device-missing"; "other" for unknown numbers */

__attribute__((format(printf, 4, 5))) void reasons_add(struct reasons *reasons, enum reason_code code,
						       const char *where, const char *fmt, ...);

/* Several devices migrate together, and one of them has no P2P states. */
bool manifest_lacks_p2p(const struct manifest *manifest);

/* What speaks against migrating this VM at all, whatever the destination. flags: GW_ALLOW_NO_P2P. */
void manifest_check_source(const struct manifest *source, uint32_t flags, struct reasons *reasons);

/* What speaks against the source's guest coming to the VM described by own. */
void manifest_compare(const struct manifest *source, const struct manifest *own, struct reasons *reasons);

#endif
