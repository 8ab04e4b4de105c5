/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What is in a file: a saved device state (<godwit/image.h>), the recorded bytes of one channel of a godwit migration
 * (source to destination, or the answers), or a QEMU migration stream with its multifd channels. No device and no VM
 * is needed. Nothing in a file is believed: a damaged one is told with all that was in it up to there, and where.
 *
 * All calls work in the caller's thread. What they return is one read-only tree, freed as a whole; its structs may grow
 * at their ends, so they are linked, never indexed.
 */
#ifndef GODWIT_INSPECT_H
#define GODWIT_INSPECT_H

#include <godwit/error.h>
#include <godwit/image.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_INSPECT_NAME_BYTES 256
#define GW_INSPECT_MAX_FILES  256

struct gw_inspect_input {
	int fd; /* borrowed: a file or a pipe at its place. A file that shall be extracted from must be seekable */
	uint32_t reserved;
	const char *name; /* for sentences; borrowed */
};

/* Kinds of file. */
#define GW_FILE_IMAGE        1 /* a saved device state */
#define GW_FILE_RECORD       2 /* a channel of a godwit migration */
#define GW_FILE_QEMU         3 /* QEMU's main channel: "migrate file:", "exec:cat >" */
#define GW_FILE_QEMU_CHANNEL 4 /* a multifd channel of QEMU's */

struct gw_inspected_file {
	const struct gw_inspected_file *next;
	const char *name; /* as given */
	uint32_t kind;    /* GW_FILE_* */
	uint32_t whole;   /* 1: read to its proper end, and nothing is wrong with it */
	uint64_t bytes;   /* that were read and understood */
	/*
	 * What is wrong first: -EBADMSG damaged, cut short, or without its proper end; -EPROTONOSUPPORT: from there on
	 * it is of a form that is not known here. what begins with the offset.
	 */
	struct gw_error trouble;
	uint64_t trouble_at;
};

/* How pages came (gw_inspected_ram.pages). */
#define GW_PAGES_NORMAL       0
#define GW_PAGES_ZERO         1
#define GW_PAGES_XBZRLE       2 /* QEMU: as a difference to what was sent before */
#define GW_PAGES_COMPRESSED   3 /* QEMU: by the capability "compress" of older ones */
#define GW_PAGES_MULTIFD      4 /* QEMU: normal, in a multifd channel */
#define GW_PAGES_MULTIFD_ZERO 5
#define GW_NR_PAGE_KINDS      6

/* A block of RAM. A page that was sent twice counts twice. */
struct gw_inspected_ram {
	const struct gw_inspected_ram *next;
	char id[GW_INSPECT_NAME_BYTES];
	uint64_t gpa;        /* UINT64_MAX: not told (QEMU) */
	uint64_t size_bytes; /* 0: not told: only multifd channels were read */
	uint64_t pages[GW_NR_PAGE_KINDS];
	uint64_t bitmap_offset, pages_offset; /* QEMU's mapped-ram: where in the file; else 0 */
};

#define GW_INSPECTED_PCI      (1u << 0) /* vendor_id to class_revision are known */
#define GW_INSPECTED_COMPLETE (1u << 1) /* all of its state is there, and in order */
#define GW_INSPECTED_MULTIFD  (1u << 2) /* QEMU: its stop-copy data came by multifd channels */

/* A device whose state is in the file. */
struct gw_inspected_device {
	const struct gw_inspected_device *next;
	char id[GW_INSPECT_NAME_BYTES]; /* QEMU: the section's name, "0000:00:05.0/vfio" */
	uint32_t instance;              /* QEMU's instance id */
	uint32_t flags;                 /* GW_INSPECTED_* */
	uint64_t precopy_bytes;
	uint64_t stop_copy_bytes;
	uint64_t nr_buffers;    /* DEVICE frames, DATA records or multifd packets that the state came in */
	uint64_t initial_marks; /* how often "all initial bytes were sent" came */
	uint64_t config_bytes;  /* QEMU: of its PCI state, which is not device state */
	uint32_t config_space_bytes;
	uint32_t msix_vectors;
	uint16_t vendor_id, device_id, subsystem_vendor_id, subsystem_device_id;
	uint32_t class_revision;
	uint32_t migration_flags;           /* a record's manifest: GW_MIGRATION_*; else 0 */
	char backend[GW_DEVICE_TEXT_BYTES]; /* likewise; else "" */
};

/* So and so many frames or commands of a kind. */
struct gw_inspected_count {
	const struct gw_inspected_count *next;
	const char *name; /* "MANIFEST", "SWITCHOVER_START"; "?" for one that is not known */
	uint32_t type;
	uint32_t nr_bad_sums;
	uint64_t nr;
	uint64_t bytes; /* all of them, with their headers */
};

/* A channel: of a godwit migration, or a multifd channel of QEMU's. */
struct gw_inspected_channel {
	const struct gw_inspected_channel *next;
	const char *file;                       /* its name */
	const char *role;                       /* "control", "data", "resume", "answers"; "multifd" */
	uint32_t number;                        /* of a data or multifd channel */
	uint32_t nr_bad_sums;                   /* frames whose checksum does not hold */
	const struct gw_inspected_count *types; /* frames or packets by type */
	uint64_t bytes;
	uint64_t ram_frames, ram_pages, ram_zero_pages; /* godwit */
	const char *last;                               /* the last frame but PING, or packet, by name */
};

struct gw_inspected_image {
	struct gw_image_head head;
	struct gw_image_totals totals; /* as counted, also of a damaged image */
	uint64_t nr_bad_sums;          /* records whose checksum does not hold */
};

/* What PREPARE promised. */
struct gw_inspected_prepare {
	uint64_t ram_frames, ram_pages, vm_state_bytes;
	uint64_t device_bytes; /* of all devices */
};

/* A godwit migration: control channel, data channels, as many as were given. */
struct gw_inspected_record {
	uint8_t migration_id[16];
	uint32_t features;           /* HELLO's */
	char vm_name[GW_NAME_BYTES]; /* "" without a manifest */
	const struct gw_inspected_channel *channels;
	const struct gw_inspected_ram *ram; /* of the manifest */
	const struct gw_inspected_device *devices;
	const struct gw_inspected_prepare *prepare; /* NULL: none came */
	uint64_t vm_state_bytes;
	uint64_t stray_pages; /* in no block of the manifest, or there is none */
	uint64_t stray_zero_pages;
};

/* How the length of a section's payload was found: QEMU's framing does not hold it. */
#define GW_MEASURED_BY_LAYOUT      1 /* its content is known */
#define GW_MEASURED_BY_DESCRIPTION 2 /* the description at the stream's end tells it, and the footer was there */
#define GW_MEASURED_BY_FOOTER      3 /* by looking for the footer and what may follow one */

struct gw_inspected_section {
	const struct gw_inspected_section *next;
	char name[GW_INSPECT_NAME_BYTES];
	uint32_t id;
	uint32_t instance;
	uint32_t version;
	uint32_t measured; /* GW_MEASURED_*, the least certain of its parts; 0: no part has come to its end */
	uint64_t nr_parts;
	uint64_t bytes;           /* of payload */
	uint64_t offset;          /* of the first part */
	uint64_t described_bytes; /* by the description; UINT64_MAX: it says nothing */
};

#define GW_QEMU_HEADER      (1u << 0) /* there is a main channel */
#define GW_QEMU_CONFIG      (1u << 1) /* it tells the machine type */
#define GW_QEMU_UUID        (1u << 2)
#define GW_QEMU_FOOTERS     (1u << 3) /* sections have footers */
#define GW_QEMU_EOF         (1u << 4) /* the end was reached */
#define GW_QEMU_DESCRIPTION (1u << 5) /* there is a description, and it could be read */
#define GW_QEMU_MAPPED_RAM  (1u << 6)

struct gw_inspected_qemu {
	uint32_t flags; /* GW_QEMU_* */
	uint32_t version;
	uint32_t page_bytes; /* the target's */
	uint32_t reserved;
	uint8_t uuid[16];
	char machine[GW_INSPECT_NAME_BYTES];
	const struct gw_inspected_count *capabilities; /* names only */
	const struct gw_inspected_count *commands;
	const struct gw_inspected_section *sections;
	const struct gw_inspected_ram *ram;
	const struct gw_inspected_device *devices;
	const struct gw_inspected_channel *channels; /* multifd */
	uint64_t ram_total_bytes;
	uint64_t packaged_bytes;    /* in PACKAGED commands, not looked into */
	uint64_t description_bytes; /* its JSON text */
	uint64_t trailing_bytes;    /* after the end */
};

struct gw_inspection {
	const struct gw_inspected_file *files;  /* as they were given */
	const struct gw_inspected_image *image; /* one of the three is there */
	const struct gw_inspected_record *record;
	const struct gw_inspected_qemu *qemu;
};

/*
 * Reads files that belong together: one image; or the channels of one godwit migration, the control channel first if it
 * is there; or a QEMU stream's main channel, multifd channels, or both, the main channel first. 0: they were of a known
 * kind; whether they are whole says files[].whole. options: progress, or NULL. Otherwise *inspection is NULL:
 * -EPROTONOSUPPORT a file of no known kind, -EINVAL files that do not belong together, or what reading failed with.
 * Stops being patient at bounds of its own (so many sections, blocks and devices): -EBADMSG in trouble.
 */
int gw_inspect_read(const struct gw_inspection **inspection, const struct gw_inspect_input *inputs, uint32_t nr_inputs,
		    const struct gw_image_options *options, struct gw_error *e);

void gw_inspection_free(const struct gw_inspection *inspection); /* NULL is fine */

/*
 * Writes the state of one device of a QEMU stream to out_fd, as an image that gw_image_load takes: its PCI identity is
 * known from its config section, the rest is not. device: its section's name, or that without "/vfio"; "NAME#2" for
 * instance 2. The files must still be open. -ENOENT: no such device, or several; -EBADMSG: its state is not all there;
 * -EINVAL: not of a QEMU stream; -ESPIPE: not from a pipe. options as above; totals may be NULL.
 */
int gw_inspect_extract(const struct gw_inspection *inspection, const char *device, int out_fd,
		       const struct gw_image_options *options, struct gw_image_totals *totals, struct gw_error *e);

#ifdef __cplusplus
}
#endif
#endif
