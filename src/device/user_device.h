/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * struct user_device: one device behind a vfio-user server, shared by the files that make up the back end. What is
 * agreed at open does not change afterwards; `state` is atomic; the rest has its own locks. Functions are entries of
 * user_ops: their contracts are in include/godwit/device.h.
 */
#ifndef DEVICE_USER_DEVICE_H
#define DEVICE_USER_DEVICE_H

#include "device/user_conn.h"
#include "device/user_maps.h"
#include "device/user_version.h"

#define USER_STATE_TIMEOUT_NS (120 * NS_PER_S) /* an arc may wait for a device's DMA to end, or load gigabytes */

struct user_device {
	struct user_conn commands;
	struct user_conn data;      /* device state; fd -1: it goes over `commands` */
	struct device_trace *trace; /* of both connections; NULL: nobody looks */
	uint32_t open_flags;        /* GW_OPEN_* */
	struct user_server server;
	struct user_maps maps;
	pthread_mutex_t log_lock; /* the server's log is asked and changed by one at a time; before maps.lock */
	struct gw_device_info info;
	uint32_t state; /* last set or seen, atomic */
};

/* One message: a fixed request out, a fixed reply in, fewer bytes of it than expected being -EBADMSG. */
int user_simple_call(struct user_device *dev, uint16_t command, const void *request, size_t request_bytes, void *reply,
		     size_t reply_bytes, struct gw_error *e);

/* user_feature.c. size_bytes of data after the head, for GET filled by the reply and at least that long. */
int user_feature_get(struct user_device *dev, uint32_t feature, void *data, size_t size_bytes, struct gw_error *e);
int user_feature_set(struct user_device *dev, uint32_t feature, const void *data, size_t size_bytes,
		     uint64_t timeout_ns, struct gw_error *e);
/* 1: the server has it; 0: it says that it has not; or -errno: it did not say. operations: USER_FEATURE_GET, _SET. */
int user_feature_probe(struct user_device *dev, uint32_t feature, uint32_t operations, struct gw_error *e);
/* Fills info's migration flags and features, from what was agreed and what the server answers. */
int user_feature_ask(struct user_device *dev, struct gw_error *e);

/*
 * user_data.c: one message of device state, of at most size_bytes. Bytes that came or were taken, or -errno; *refused:
 * the server's own -errno if it answered with an error, else 0.
 */
ssize_t user_data_ask(struct user_device *dev, void *buf, size_t size_bytes, int *refused, struct gw_error *e);
ssize_t user_data_give(struct user_device *dev, const void *buf, size_t size_bytes, int *refused, struct gw_error *e);

/* user_migration.c */
int user_state_get(void *ctx, uint32_t *state, struct gw_error *e);
int user_state_set(void *ctx, uint32_t state, struct gw_error *e);
ssize_t user_data_read(void *ctx, void *buf, size_t size_bytes, struct gw_error *e);
ssize_t user_data_write(void *ctx, const void *buf, size_t size_bytes, struct gw_error *e);
int user_precopy_info(void *ctx, struct gw_precopy_info *info, struct gw_error *e);
int user_stop_size(void *ctx, uint64_t *bytes, struct gw_error *e);

/* user_log.c. before_map: memory that the device could write and that is not logged yet is logged from here on. */
void user_log_before_map(struct user_device *dev, const struct gw_dma_map *map);
int user_log_start(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size,
		   struct gw_error *e);
int user_log_stop(void *ctx, struct gw_error *e);
int user_log_report(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap,
		    struct gw_error *e);

/* user_dma.c */
int user_dma_map(void *ctx, const struct gw_dma_map *map, struct gw_error *e);
int user_dma_unmap(void *ctx, uint64_t iova, uint64_t size_bytes, struct gw_error *e);
int user_dma_serve(void *arg, struct user_conn *c, const struct user_header *header, const void *payload,
		   size_t payload_bytes);

/* user_raw.c */
extern const struct gw_raw_ops user_raw_ops;

/* user_region.c */
int user_region_info(void *ctx, uint32_t index, struct gw_region_info *info, struct gw_error *e);
ssize_t user_region_read(void *ctx, uint32_t index, uint64_t offset, void *buf, size_t size_bytes, struct gw_error *e);
ssize_t user_region_write(void *ctx, uint32_t index, uint64_t offset, const void *buf, size_t size_bytes,
			  struct gw_error *e);
int user_region_map(void *ctx, uint32_t index, uint64_t from, struct gw_region_map *map, struct gw_error *e);

/* user_irq.c */
int user_irq_info(void *ctx, uint32_t index, struct gw_irq_info *info, struct gw_error *e);
int user_irq_set(void *ctx, uint32_t index, uint32_t start, uint32_t count, const int *eventfds, struct gw_error *e);
int user_irq_mask(void *ctx, uint32_t index, uint32_t start, uint32_t count, int masked, struct gw_error *e);

#endif
