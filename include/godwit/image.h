/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A device's state in a file: what identifies the device, then the bytes of its migration stream in numbered blocks
 * with a checksum each, then totals and digests. doc/image.md has it byte by byte. One flipped bit, one missing byte
 * or one too many, and the image is refused, before any device is touched.
 *
 * All calls work in the caller's thread. A file descriptor is the caller's: of an image that is written it is a
 * regular file at its place, a pipe or a socket (SIGPIPE and SIGXFSZ are the program's to ignore); of one that is
 * read likewise. options and result may be NULL everywhere.
 */
#ifndef GODWIT_IMAGE_H
#define GODWIT_IMAGE_H

#include <godwit/device.h>
#include <godwit/error.h>
#include <godwit/report.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_IMAGE_VERSION     1
#define GW_IMAGE_NR_BARS     6
#define GW_IMAGE_TEXT_BYTES  128
#define GW_IMAGE_BLOCK_BYTES (1u << 20) /* of device state in one block, at most */

/* What an image knows of its device (gw_image_head.known); the fields of what it does not know are 0. */
#define GW_IMAGE_KNOWS_PCI          (1u << 0) /* vendor_id to class_revision; each may still be 0: not known */
#define GW_IMAGE_KNOWS_BARS         (1u << 1) /* bar_bytes */
#define GW_IMAGE_KNOWS_CAPABILITIES (1u << 2) /* migration_flags, features */
#define GW_IMAGE_KNOWS_SIZE         (1u << 3) /* expected_bytes */
#define GW_IMAGE_KNOWS_TIME         (1u << 4) /* created_s */

/* Where an image comes from. Texts that are not known are empty; none has control characters. */
struct gw_image_head {
	uint32_t version;         /* of the format, out only; 0: no head was read */
	uint32_t known;           /* GW_IMAGE_KNOWS_* */
	uint32_t migration_flags; /* GW_MIGRATION_* */
	uint32_t features;        /* GW_FEATURE_* */
	uint32_t class_revision;  /* PCI class code << 8 | revision */
	uint32_t reserved_0;
	uint16_t vendor_id;
	uint16_t device_id;
	uint16_t subsystem_vendor_id;
	uint16_t subsystem_device_id;
	uint64_t bar_bytes[GW_IMAGE_NR_BARS]; /* 0: the device has no such BAR */
	uint64_t expected_bytes;              /* what the device said of its state's size, before it was read */
	uint64_t created_s;                   /* seconds since 1970, UTC */
	char id[GW_DEVICE_ID_BYTES];
	char backend[GW_DEVICE_TEXT_BYTES]; /* as in gw_device_info */
	char driver[GW_DEVICE_TEXT_BYTES];
	char origin[GW_IMAGE_TEXT_BYTES]; /* the device's URI, or what else the state was taken from */
	char writer[GW_IMAGE_TEXT_BYTES]; /* the program: "godwit 0.1.0" */
	uint64_t reserved[4];
};

/* What a whole image holds. */
struct gw_image_totals {
	uint64_t file_bytes; /* all of the image */
	uint64_t nr_blocks;
	uint64_t precopy_bytes; /* of device state, read while the device ran */
	uint64_t stop_copy_bytes;
	uint64_t stopped_ns;   /* how long the device stood still to be saved; 0: not known */
	uint64_t state_digest; /* XXH3-64 of the device state, in order */
	uint64_t reserved[4];
};

/* What is being done (gw_image_progress.phase). */
#define GW_IMAGE_CHECKING  1 /* an image is read from end to end, and kept if it comes by a pipe */
#define GW_IMAGE_PRE_COPY  2
#define GW_IMAGE_STOP_COPY 3
#define GW_IMAGE_LOADING   4

struct gw_image_progress {
	uint32_t size;           /* of this struct in the library */
	uint32_t phase;          /* GW_IMAGE_* */
	uint64_t bytes;          /* done in this phase; of a save, of the whole save */
	uint64_t expected_bytes; /* to be done, as far as it is known; 0: it is not */
	uint64_t elapsed_ns;     /* since the call began */
};

/*
 * Called by the thread that saves or loads, between two blocks and at least ten times a second while a pipe makes it
 * wait. Anything but 0 ends the call with -ECANCELED and the device as after any failure.
 */
typedef int gw_image_progress_fn(void *ctx, const struct gw_image_progress *progress);

#define GW_IMAGE_PRECOPY (1u << 0) /* save: run pre-copy first */
#define GW_IMAGE_FORCE   (1u << 1) /* load: whatever device the image is of */
#define GW_IMAGE_STAY    (1u << 2) /* load: leave the device in STOP, loaded, for the caller to start */

struct gw_image_options {
	uint32_t size;                  /* sizeof(struct gw_image_options) of the caller */
	uint32_t flags;                 /* GW_IMAGE_* */
	gw_image_progress_fn *progress; /* NULL: none */
	void *ctx;                      /* progress's */
	uint64_t precopy_rounds;        /* save: how often to read what the device wrote meanwhile; 0: 8 */
	uint64_t max_bytes;             /* load: of an image that comes by a pipe; 0: 64 GiB */
	const char *spool_dir;          /* load: where such an image is kept meanwhile; NULL: /var/tmp, or /tmp */
};

/* What a call did, as far as it came. */
struct gw_image_result {
	uint32_t size;    /* sizeof(struct gw_image_result) of the caller */
	uint32_t whole;   /* 1: the image is complete, or was found to be, whatever failed after that */
	uint32_t touched; /* 1: the device was asked to leave the state it was found in */
	uint32_t state;   /* GW_STATE_*: where the device is now, as far as is known */
	uint32_t reserved;
	uint32_t nr_arcs;
	uint64_t total_ns;
	uint64_t stopped_ns; /* save: from the end of pre-copy, or of RUNNING, to being back where it was found */
	struct gw_arc_time arcs[GW_MAX_ARCS];
	struct gw_image_head head;
	struct gw_image_totals totals;
};

/*
 * Writes the state of a device in RUNNING (or STOP: then without pre-copy) to fd, and takes the device back to where
 * it was, whatever happens; if that fails the error says so and result->state where it is. -ECANCELED: progress asked
 * for it; -ENOTSUP: the device cannot migrate, or lacks the pre-copy that is asked for; -EPROTO: another state.
 * Anything but 0 with result->whole 0: what was written is no image, and will not be taken for one.
 */
int gw_image_save(struct gw_device *dev, int fd, const struct gw_image_options *options, struct gw_image_result *result,
		  struct gw_error *e);

/*
 * Loads an image into a device, which may be in any state: all of it is read and checked first, what comes by a pipe
 * is kept in an unlinked file meanwhile. -EBADMSG: no image, cut short or altered; -EPROTONOSUPPORT: a newer format;
 * -ENOTSUP: of another model of device, see gw_image_match; -EFBIG: longer than max_bytes; others from reading, and
 * from the device. With result->touched 0 the device is what it was; else it was reset, and the error says so, or that
 * it could not be.
 * 0: the device is in RUNNING, or in STOP with GW_IMAGE_STAY.
 */
int gw_image_load(struct gw_device *dev, int fd, const struct gw_image_options *options, struct gw_image_result *result,
		  struct gw_error *e);

/*
 * Reads and checks an image from end to end, as a load does, without a device. result->head is filled as soon as it
 * was read, whatever follows. Errors as of gw_image_load. options: progress.
 */
int gw_image_verify(int fd, const struct gw_image_options *options, struct gw_image_result *result, struct gw_error *e);

/*
 * Whether the state of such a device may be loaded into this one: -ENOTSUP with a sentence that names what differs.
 * What the image or the device does not know does not count.
 */
int gw_image_match(const struct gw_image_head *head, struct gw_device *dev, struct gw_error *e);

#ifdef __cplusplus
}
#endif
#endif
