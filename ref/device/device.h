/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The device: everything that one reference device is, whoever is connected. Owned by ref_device_run.
 *
 * Threads: the command socket's, the data socket's and the DMA engine's. `lock` protects every field but those of
 * the data session, which `migration.session_lock` serializes (taken before `lock`, never after). `changed` is
 * broadcast whenever the engine may have something new to do or has finished a piece of work. Nothing blocks with
 * `lock` held, and no copy larger than a block of state runs under it.
 */
#ifndef REF_DEVICE_DEVICE_H
#define REF_DEVICE_DEVICE_H

#include "ref/device/dma_log.h"
#include "ref/device/dma_map.h"
#include "ref/device/engine.h"
#include "ref/device/fault.h"
#include "ref/device/irq.h"
#include "ref/device/memory.h"
#include "ref/device/migration.h"
#include "ref/device/pci.h"
#include "ref/device/ref_device.h"
#include "ref/device/registers.h"

#include <pthread.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the registers, and the state stream, are little-endian");

struct ref_device {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	const struct ref_device_options *options;
	int stop_fd; /* readable: the program wants to end; -1: never */
	struct memory memory;
	struct registers regs;
	struct pci pci;
	struct irqs irqs;
	struct dma_maps maps;
	struct dma_log log;
	struct engine engine;
	struct migration migration;
	struct faults faults;
};

/* Power-on state, RUNNING, no client; with the options' faults, which are right. Starts the engine's thread. */
int ref_device_init(struct ref_device *dev, const struct ref_device_options *options, int stop_fd);
void ref_device_fini(struct ref_device *dev);

/* A client has come, or has gone: then what was agreed with it, its maps, eventfds and log go too; the engine parks. */
void ref_device_attach(struct ref_device *dev);
void ref_device_detach(struct ref_device *dev);

/* DEVICE_RESET: power-on state, a data session is thrown away, RUNNING. Maps, eventfds and the log stay. */
void ref_device_reset(struct ref_device *dev);
int ref_device_reset_asked(struct ref_device *dev);   /* by a client: as the faults have it */
void ref_device_reset_itself(struct ref_device *dev); /* by a fault; on any thread, with nothing locked */

#endif
