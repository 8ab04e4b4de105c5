/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A VFIO device as godwit sees it: a kernel device, a vfio-user server, or the VMM's own ops table. States,
 * flags and rules are those of the VFIO migration uAPI v2 (linux/vfio.h, enum vfio_device_mig_state and
 * the VFIO_DEVICE_FEATURE_* texts); the numbers here are the uAPI's own.
 *
 * Threads: calls on one device may come from several threads; region accesses may run beside a migration
 * call. A device is owned by whoever opened it and outlives every migration it takes part in.
 */
#ifndef GODWIT_DEVICE_H
#define GODWIT_DEVICE_H

#include <godwit/error.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gw_device;
struct gw_raw_ops;
struct gw_trace;

/* Device states: the uAPI's numbers. */
#define GW_STATE_ERROR        0
#define GW_STATE_STOP         1
#define GW_STATE_RUNNING      2
#define GW_STATE_STOP_COPY    3
#define GW_STATE_RESUMING     4
#define GW_STATE_RUNNING_P2P  5
#define GW_STATE_PRE_COPY     6
#define GW_STATE_PRE_COPY_P2P 7
#define GW_NR_STATES          8

/* Migration flags: the uAPI's VFIO_MIGRATION_*. */
#define GW_MIGRATION_STOP_COPY (1u << 0)
#define GW_MIGRATION_P2P       (1u << 1)
#define GW_MIGRATION_PRE_COPY  (1u << 2)

#define GW_DEVICE_ID_BYTES   64
#define GW_DEVICE_TEXT_BYTES 64

/* Region and interrupt indexes of a PCI device: the uAPI's VFIO_PCI_*_INDEX. */
#define GW_REGION_BAR0   0
#define GW_REGION_CONFIG 7
#define GW_IRQ_INTX      0
#define GW_IRQ_MSI       1
#define GW_IRQ_MSIX      2

/* What a device can do beside its migration flags (gw_device_info.features). */
#define GW_FEATURE_RESET        (1u << 0)
#define GW_FEATURE_PCI          (1u << 1)
#define GW_FEATURE_DMA_LOG      (1u << 2) /* log_start, log_stop and log_report work, whoever they ask */
#define GW_FEATURE_STOP_SIZE    (1u << 3) /* MIG_DATA_SIZE */
#define GW_FEATURE_PRECOPY_INFO (1u << 4) /* GET_PRECOPY_INFO or godwit's vfio-user extension */
#define GW_FEATURE_DATA_SOCKET  (1u << 5) /* vfio-user: device state has a socket of its own */
#define GW_FEATURE_REINIT       (1u << 6) /* gw_precopy_info.flags means something; only with PRECOPY_INFO */

/* Who knows which pages a device has written (gw_device_info.dirty_source). A device has one such source. */
#define GW_DIRTY_NONE    0 /* nobody: all that the device may reach counts as written, always */
#define GW_DIRTY_DEVICE  1 /* the device: DMA logging of VFIO or vfio-user, or the log_* entries of an ops table */
#define GW_DIRTY_IOMMUFD 2 /* the IOMMU, by iommufd's dirty tracking of its page table */
#define GW_DIRTY_TYPE1   3 /* the type 1 container; behind a real IOMMU it takes all that is mapped for written */

struct gw_device_info {
	uint32_t migration_flags; /* GW_MIGRATION_*; 0: the device cannot migrate */
	uint32_t features;        /* GW_FEATURE_* */
	uint32_t dirty_source;    /* GW_DIRTY_*; not NONE exactly if there is GW_FEATURE_DMA_LOG */
	uint32_t nr_regions;
	uint32_t nr_irqs;
	uint16_t vendor_id; /* from PCI config space; 0 where there is none */
	uint16_t device_id;
	uint16_t subsystem_vendor_id;
	uint16_t subsystem_device_id;
	uint32_t class_revision;            /* PCI class code << 8 | revision */
	uint32_t max_dma_maps;              /* 0: not stated */
	uint64_t dma_page_sizes;            /* OR of the page sizes DMA maps may use; 0: not stated */
	char backend[GW_DEVICE_TEXT_BYTES]; /* "vfio-user", "kernel cdev", "kernel group", "fd", "ops" */
	char driver[GW_DEVICE_TEXT_BYTES];  /* kernel driver or server text; empty where there is none */
};

struct gw_region_info {
	uint64_t size_bytes;
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_*: 1 read, 2 write, 4 mmap */
	uint32_t index;
};

/* A part of a region that can be mapped: mmap size_bytes of fd from fd_offset on. */
struct gw_region_map {
	uint64_t region_offset; /* where it is in the region */
	uint64_t size_bytes;
	uint64_t fd_offset;
	int fd; /* the caller's, to be closed; a mapping outlives it */
};

struct gw_irq_info {
	uint32_t index;
	uint32_t flags; /* VFIO_IRQ_INFO_* */
	uint32_t count;
};

/*
 * The device has armed its initial data anew: what comes until initial_bytes is 0 has to be loaded on the other side,
 * and said to be, once more, whatever was said before. initial_bytes may be any value then, of all that is unread.
 * A kernel device may say so in one reply only (linux/vfio.h, VFIO_PRECOPY_INFO_REINIT, has no word on how long the
 * flag stays), so no reply may be dropped unseen. A vfio-user server says so in every reply until data is read after
 * one of them (doc/vfio-user-extension.md): the flag again before the next read is the same request.
 */
#define GW_PRECOPY_REINIT (1u << 0)

/* The bytes of VFIO_MIG_GET_PRECOPY_INFO. */
struct gw_precopy_info {
	uint64_t initial_bytes; /* left of the initial data; 0: all of it was read */
	uint64_t dirty_bytes;   /* left beside it, as of now */
	uint32_t flags;         /* GW_PRECOPY_*; 0 from a device without GW_FEATURE_REINIT */
	uint32_t reserved;
};

struct gw_iova_range {
	uint64_t iova;
	uint64_t size_bytes;
};

#define GW_DMA_READ  (1u << 0) /* the device may read the memory */
#define GW_DMA_WRITE (1u << 1) /* the device may write it */

struct gw_dma_map {
	uint64_t iova;
	uint64_t size_bytes;
	void *hva;          /* where the memory is mapped in this process */
	uint64_t fd_offset; /* and where it is in fd; vfio-user servers map it from there */
	int fd;             /* -1: none; the device then has to ask this process for every access */
	uint32_t prot;      /* GW_DMA_* */
};

/*
 * What a device back end does. A VMM with its own device code fills one of these; godwit's back ends fill the
 * same table. Every function returns 0, or what it says, or -errno with *e set (e may be NULL). An entry that
 * is NULL means the device lacks the feature: the call returns -EOPNOTSUPP.
 */
struct gw_device_ops {
	uint32_t size; /* sizeof(struct gw_device_ops) of the caller */

	int (*info)(void *ctx, struct gw_device_info *info, struct gw_error *e);

	/* One SET of MIG_DEVICE_STATE, returns when the arc is complete. Failed: ask state_get where it is. */
	int (*state_set)(void *ctx, uint32_t state, struct gw_error *e);
	int (*state_get)(void *ctx, uint32_t *state, struct gw_error *e);
	int (*reset)(void *ctx, struct gw_error *e);

	/* > 0 bytes read, 0 the end, -ENOMSG nothing now (pre-copy only). */
	ssize_t (*data_read)(void *ctx, void *buf, size_t size_bytes, struct gw_error *e);
	/* > 0 bytes taken, may be fewer than given. */
	ssize_t (*data_write)(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e);
	int (*precopy_info)(void *ctx, struct gw_precopy_info *info, struct gw_error *e);
	int (*stop_size)(void *ctx, uint64_t *bytes, struct gw_error *e);

	/*
	 * Dirty pages. report ORs a bit a page of page_size into bitmap, bit 0 for iova, for what was written since
	 * the last report of it, or since start; any error: all of the range counts as written. A dma_map of memory
	 * outside of the ranges extends the log; what is lost by that, or by a dma_unmap, counts as written.
	 */
	int (*log_start)(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
			 struct gw_error *e);
	int (*log_stop)(void *ctx, struct gw_error *e);
	int (*log_report)(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
			  struct gw_error *e);

	/* Access: what a VM needs of its device. A VMM with its own device code may leave these NULL. */
	int (*dma_map)(void *ctx, const struct gw_dma_map *map, struct gw_error *e);
	int (*dma_unmap)(void *ctx, uint64_t iova, uint64_t size_bytes, struct gw_error *e);
	int (*region_info)(void *ctx, uint32_t index, struct gw_region_info *info, struct gw_error *e);
	ssize_t (*region_read)(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size_bytes,
			       struct gw_error *e);
	ssize_t (*region_write)(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size_bytes,
				struct gw_error *e);
	int (*irq_info)(void *ctx, uint32_t index, struct gw_irq_info *info, struct gw_error *e);
	/* Binds count eventfds from vector start on; fds NULL or count 0: disables the index. */
	int (*irq_set)(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *eventfds,
		       struct gw_error *e);

	void (*close)(void *ctx);

	/* See gw_device_region_map. *map is cleared, its fd -1. */
	int (*region_map)(void *ctx, uint32_t index, uint64_t from, struct gw_region_map *map, struct gw_error *e);

	const struct gw_raw_ops *raw; /* <godwit/raw.h>: the uAPI call by call; NULL: not to be had */

	/* See gw_device_irq_mask. */
	int (*irq_mask)(void *ctx, uint32_t index, uint32_t start, uint32_t count, int masked, struct gw_error *e);
};

/*
 * Opens a device by URI: "vfio-user:PATH", "vfio:/dev/vfio/devices/vfioN", "vfio:0000:3b:00.2", "vfio:UUID"
 * (mdev); ",group" at the end of a vfio: URI forces the legacy group way in. Brings a device that an earlier
 * user left in another state back to RUNNING. id names it in a migration: both sides must use the same.
 */
int gw_device_open(struct gw_device **dev, const char *id, const char *uri, struct gw_error *e);

#define GW_OPEN_AS_FOUND (1u << 0) /* stay in the state that an earlier user left */
#define GW_OPEN_PLAIN    (1u << 1) /* vfio-user: offer nothing of godwit's extension */

struct gw_open_options {
	uint32_t size;                /* sizeof(struct gw_open_options) of the caller */
	uint32_t flags;               /* GW_OPEN_* */
	const struct gw_trace *trace; /* <godwit/trace.h>; must outlive the device; NULL: none */
};

/* As gw_device_open, with options; NULL: none. */
int gw_device_open_with(struct gw_device **dev, const char *id, const char *uri, const struct gw_open_options *options,
			struct gw_error *e);

/* A kernel device fd that the VMM has opened and bound; borrowed, never closed by godwit. */
int gw_device_from_fd(struct gw_device **dev, const char *id, int fd, struct gw_error *e);

/* The VMM's own device code. ops and ctx must outlive the device; ops->close(ctx) is called by gw_device_close. */
int gw_device_from_ops(struct gw_device **dev, const char *id, const struct gw_device_ops *ops, void *ctx,
		       struct gw_error *e);

void gw_device_close(struct gw_device *dev); /* NULL is fine */

const char *gw_device_id(const struct gw_device *dev);
const char *gw_device_uri(const struct gw_device *dev); /* "" for a device not opened by URI */

/* "RUNNING_P2P" and the like; "?" for a number that is no state. */
const char *gw_device_state_name(uint32_t state);

/* "none", "device", "iommufd", "type1"; "?" for a number that is no source. */
const char *gw_dirty_source_name(uint32_t source);

/* The ops above, one call each, with their arguments checked. */
int gw_device_get_info(struct gw_device *dev, struct gw_device_info *info, struct gw_error *e);
int gw_device_state_get(struct gw_device *dev, uint32_t *state, struct gw_error *e);
/*
 * Goes to a state arc by arc. Failed: the device is where GET says, or, after the recovery of the uAPI
 * (the state it came from, else reset), RUNNING; the first error is the one reported.
 */
int gw_device_state_set(struct gw_device *dev, uint32_t state, struct gw_error *e);
int gw_device_reset(struct gw_device *dev, struct gw_error *e);
ssize_t gw_device_data_read(struct gw_device *dev, void *buf, size_t size_bytes, struct gw_error *e);
ssize_t gw_device_data_write(struct gw_device *dev, const void *buf, size_t size_bytes, struct gw_error *e);
int gw_device_precopy_info(struct gw_device *dev, struct gw_precopy_info *info, struct gw_error *e);
int gw_device_stop_size(struct gw_device *dev, uint64_t *bytes, struct gw_error *e);
int gw_device_dma_map(struct gw_device *dev, const struct gw_dma_map *map, struct gw_error *e);
int gw_device_dma_unmap(struct gw_device *dev, uint64_t iova, uint64_t size_bytes, struct gw_error *e);
int gw_device_region_info(struct gw_device *dev, uint32_t index, struct gw_region_info *info, struct gw_error *e);
ssize_t gw_device_region_read(struct gw_device *dev, uint32_t index, uint64_t offset, void *buf, size_t size_bytes,
			      struct gw_error *e);
ssize_t gw_device_region_write(struct gw_device *dev, uint32_t index, uint64_t offset, const void *buf,
			       size_t size_bytes, struct gw_error *e);
/*
 * Where a region can be mapped: into this process, or, through gw_device_dma_map of another device with fd and
 * fd_offset, for that device's DMA (peer to peer). Fills *map with the first such part of the region that ends after
 * `from`, without what lies before `from`; for the part after it ask again with region_offset + size_bytes. fd is a
 * descriptor of the caller's own and may be closed as soon as it was mapped and handed on. What is written through a
 * mapping the device may not see as a region access: what that means to its state is for the device to say.
 * -EOPNOTSUPP: the region cannot be mapped; -ENOENT: no part ends after `from`; in both cases fd is -1.
 */
int gw_device_region_map(struct gw_device *dev, uint32_t index, uint64_t from, struct gw_region_map *map,
			 struct gw_error *e);
int gw_device_irq_info(struct gw_device *dev, uint32_t index, struct gw_irq_info *info, struct gw_error *e);
int gw_device_irq_set(struct gw_device *dev, uint32_t index, uint32_t start, uint32_t count, const int *eventfds,
		      struct gw_error *e);
/*
 * Masks (masked != 0) or unmasks interrupts of an index whose info says VFIO_IRQ_INFO_MASKABLE. INTx is masked by the
 * device itself when it has signalled its eventfd (VFIO_IRQ_INFO_AUTOMASKED), and comes again only when it was
 * unmasked: the VMM does that when the guest has ended the interrupt (linux/vfio.h, VFIO_DEVICE_SET_IRQS,
 * VFIO_IRQ_SET_ACTION_MASK and _UNMASK with VFIO_IRQ_SET_DATA_NONE).
 */
int gw_device_irq_mask(struct gw_device *dev, uint32_t index, uint32_t start, uint32_t count, int masked,
		       struct gw_error *e);

#ifdef __cplusplus
}
#endif
#endif
