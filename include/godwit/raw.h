/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The migration uAPI of a device, call by call, for programs that test devices: one call here is one ioctl, one read or
 * write of the data fd, or one vfio-user message. Nothing is walked, checked, recovered or translated, so a
 * device can be asked for what godwit's other calls would never ask it. Who mixes these with those ends the raw part
 * with gw_device_reset or gw_device_state_get, by which the device is known again.
 *
 * Every call returns 0, or a count, or the device's own -errno; there is no sentence, what it means is for the caller.
 * -EOPNOTSUPP also: the back end has no such call. -EPIPE, -ETIMEDOUT of vfio-user: the connection is gone. One thread.
 *
 * Two requests hang kernels up to 6.12.95 inside the ioctl, for ever: STOP_COPY to PRE_COPY and STOP_COPY to
 * PRE_COPY_P2P.
 */
#ifndef GODWIT_RAW_H
#define GODWIT_RAW_H

#include <godwit/device.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Feature numbers and operation bits of VFIO_DEVICE_FEATURE: the uAPI's. */
#define GW_RAW_MIGRATION        1u
#define GW_RAW_MIG_DEVICE_STATE 2u
#define GW_RAW_LOG_START        6u
#define GW_RAW_LOG_STOP         7u
#define GW_RAW_LOG_REPORT       8u
#define GW_RAW_MIG_DATA_SIZE    9u
#define GW_RAW_PRECOPY_INFO_V2  12u
#define GW_RAW_GET              (1u << 16)
#define GW_RAW_SET              (1u << 17)
#define GW_RAW_PROBE            (1u << 18)

/*
 * One VFIO_DEVICE_FEATURE. data follows the head both ways. A data fd that a SET of MIG_DEVICE_STATE brings is held as
 * gw_raw_state_set has it.
 */
#define GW_RAW_FEATURE_BYTES 64u
struct gw_raw_feature {
	uint32_t argsz; /* as it is sent; 0: the head and data_bytes */
	uint32_t flags; /* number | GW_RAW_GET, _SET, _PROBE */
	void *data;
	uint32_t data_bytes; /* at most GW_RAW_FEATURE_BYTES, or -EINVAL */
	uint32_t got_bytes;  /* out: how many came back, also beyond data_bytes; of a kernel device data_bytes */
};

/* vfio_device_feature_mig_state. */
struct gw_raw_state {
	uint32_t state;  /* asked for, and what the reply says */
	int32_t data_fd; /* out, as in a kernel device's reply, else -1; not negative: the device holds it, for below */
};

/* vfio_precopy_info. */
struct gw_raw_precopy {
	uint32_t argsz; /* as it is sent; 0: 24 */
	uint32_t flags; /* as it is sent, and what came back */
	uint64_t initial_bytes;
	uint64_t dirty_bytes;
};

/* What a back end has for this. gw_device_ops.raw of a VMM's own device may point to one too. */
struct gw_raw_ops {
	uint32_t size; /* sizeof(struct gw_raw_ops) of the caller */

	int (*feature)(void *ctx, struct gw_raw_feature *call);
	int (*state_get)(void *ctx, struct gw_raw_state *state);
	int (*state_set)(void *ctx, struct gw_raw_state *state);
	int (*reset)(void *ctx);
	ssize_t (*data_read)(void *ctx, void *buf, size_t size_bytes);
	ssize_t (*data_write)(void *ctx, const void *buf, size_t size_bytes);
	int (*precopy_info)(void *ctx, struct gw_raw_precopy *info);
	int (*log_start)(void *ctx, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size);
	int (*log_stop)(void *ctx);
	int (*log_report)(void *ctx, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap);

	/* Both NULL where device state travels by message and there is no data fd (vfio-user). */
	int (*data_poll)(void *ctx, short events, int timeout_ms);
	int (*data_close)(void *ctx);
};

int gw_raw_feature(struct gw_device *dev, struct gw_raw_feature *call);

int gw_raw_state_get(struct gw_device *dev, struct gw_raw_state *state);
/* The data fd of an earlier call is kept until another one comes, gw_raw_data_close, or the end of the raw part. */
int gw_raw_state_set(struct gw_device *dev, struct gw_raw_state *state);
int gw_raw_reset(struct gw_device *dev);

/* The bytes of one read or write; 0: an empty one. -EBADF: there is no data fd. Any direction, in any state. */
ssize_t gw_raw_data_read(struct gw_device *dev, void *buf, size_t size_bytes);
ssize_t gw_raw_data_write(struct gw_device *dev, const void *buf, size_t size_bytes);
int gw_raw_precopy_info(struct gw_device *dev, struct gw_raw_precopy *info);

/* Of a kernel device's data fd: poll(2)'s revents (0: timed out), and close(2). */
int gw_raw_data_poll(struct gw_device *dev, short events, int timeout_ms);
int gw_raw_data_close(struct gw_device *dev);
/* 1: device state has a data fd that comes with an arc; 0: it travels by message. */
int gw_raw_has_data_fd(const struct gw_device *dev);

/*
 * VFIO_DEVICE_FEATURE_DMA_LOGGING_*, ranges and bitmap as given. A report ORs into the bitmap, which has a bit a page
 * of the range in whole words; it may be shorter where the range is empty or wraps, or page_size is no power of two:
 * such a report is asked for and gives no bits.
 */
int gw_raw_log_start(struct gw_device *dev, const struct gw_iova_range *ranges, uint32_t nr_ranges, uint64_t page_size);
int gw_raw_log_stop(struct gw_device *dev);
int gw_raw_log_report(struct gw_device *dev, uint64_t iova, uint64_t size_bytes, uint64_t page_size, uint64_t *bitmap);

#ifdef __cplusplus
}
#endif
#endif
