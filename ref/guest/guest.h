/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The guest: vCPUs, and drivers for the VM's devices, over RAM. Between its pause and its resume it stands still,
 * and its state, a blob of some kilobytes, tells what every page of RAM and every device must hold.
 *
 * Paused at first. pause, resume, save, load, check and close take turns by a lock; throttle and counters any time.
 */
#ifndef REF_GUEST_GUEST_H
#define REF_GUEST_GUEST_H

#include "ref/guest/cpu.h"
#include "ref/guest/driver.h"
#include "ref/guest/peers.h"
#include "ref/vm/executor.h"

#include <pthread.h>
#include <stdatomic.h>

struct guest_device {
	struct gw_device *dev;
	const struct driver_ops *driver; /* NULL: carried without one */
	void *driver_ctx;
};

struct guest_config {
	const struct guest_memory *memory;
	struct gw_device *const *devices;
	const struct gw_device_info *infos; /* of the devices */
	uint32_t nr_devices;
	const struct peers *peers; /* of the devices; may be empty, or NULL */
	uint32_t nr_vcpus;
	uint64_t dirty_bytes_per_s;
	uint64_t seed;
	enum ref_vm_fill fill;
};

struct guest {
	pthread_mutex_t lock;
	struct integrity integrity;
	const struct guest_memory *memory;
	const struct cpu_ops *cpu_ops;
	void *cpus;
	uint32_t nr_vcpus;
	uint32_t nr_devices;
	uint32_t has_peers; /* 0 or 1: its drivers let devices write to each other */
	struct guest_device devices[GW_MAX_DEVICES];
	_Atomic int running;
	_Atomic uint32_t throttle_percent;
};

/* Devices are open and mapped. On failure nothing is left. */
int guest_open(struct guest *guest, const struct guest_config *config, struct gw_error *e);
void guest_close(struct guest *guest);

/* A guest that starts here: fills RAM, sets devices going. Still paused. */
int guest_boot(struct guest *guest, struct gw_error *e);

void guest_pause(struct guest *guest);
void guest_resume(struct guest *guest);

/* 0 to 99: the share of time in which its vCPUs do not execute; while it is paused too, and then it holds later. */
void guest_throttle(struct guest *guest, uint32_t percent);

/* Looks at everything the guest knows, paused meanwhile; it runs afterwards if it ran before. */
void guest_check(struct guest *guest);

/* Paused, devices stopped; the contract of gw_vm_ops. */
ssize_t guest_save(struct guest *guest, void *buf, size_t size_bytes);
int guest_load(struct guest *guest, const void *buf, size_t size_bytes, struct gw_error *e);

void guest_get_counters(struct guest *guest, struct guest_counters *counters);

#endif
