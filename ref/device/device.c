/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of the device: power on, a client comes and goes, reset, power off. What the parts do in between is
 * in the parts. Called by the command socket's thread and by ref_device_run, which are the same.
 */
#include "ref/device/device.h"

#include <errno.h>
#include <string.h>

static void power_on(struct ref_device *dev)
{
	ref_registers_reset(&dev->regs, &dev->memory, dev->options->serial);
	ref_pci_reset(&dev->pci, dev->memory.bar_size);
	ref_irqs_reset(&dev->irqs);
	ref_engine_reset(&dev->engine);
}

static void init_locks(struct ref_device *dev)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&dev->changed, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&dev->lock, NULL);
	ref_migration_init(&dev->migration, dev->options);
}

int ref_device_init(struct ref_device *dev, const struct ref_device_options *options, int stop_fd)
{
	int ret;

	*dev = (struct ref_device){ .options = options, .stop_fd = stop_fd, .faults = { .clear_fd = -1 } };
	init_locks(dev);
	ref_irqs_init(&dev->irqs);
	ret = ref_memory_init(&dev->memory, options->state_bytes);
	if (!ret)
		ret = ref_faults_init(&dev->faults, options->faults, options->nr_faults, NULL, 0);
	if (!ret) {
		ref_memory_fill(&dev->memory, options->serial);
		power_on(dev);
		ret = ref_engine_start(dev);
	}
	if (ret)
		ref_device_fini(dev);
	return ret;
}

void ref_device_fini(struct ref_device *dev)
{
	ref_engine_stop(dev);
	ref_migration_fini(&dev->migration);
	ref_dma_log_stop(&dev->log);
	ref_dma_maps_clear(&dev->maps);
	ref_irqs_fini(&dev->irqs);
	ref_memory_fini(&dev->memory);
	ref_faults_fini(&dev->faults);
	pthread_cond_destroy(&dev->changed);
	pthread_mutex_destroy(&dev->lock);
}

/* A client comes or goes: what a fault makes of the device then. */
static enum fault_action come_or_go(struct ref_device *dev, enum fault_point point)
{
	struct strike strike = ref_fault(dev, point, ref_migration_state(dev), 0);

	if (strike.action == FAULT_TO)
		ref_migration_force(dev, (uint32_t)strike.value);
	return strike.action;
}

void ref_device_attach(struct ref_device *dev)
{
	ref_fault_link_opened(dev);
	come_or_go(dev, FAULT_OPEN);
	pthread_mutex_lock(&dev->lock);
	ref_engine_release(dev);
	pthread_mutex_unlock(&dev->lock);
}

void ref_device_detach(struct ref_device *dev)
{
	enum fault_action fault = come_or_go(dev, FAULT_CLOSE);

	ref_migration_opt_out(dev);
	pthread_mutex_lock(&dev->lock);
	ref_engine_hold(dev);
	ref_dma_maps_clear(&dev->maps);
	ref_irqs_fini(&dev->irqs);
	if (fault != FAULT_KEEP_LOG)
		ref_dma_log_stop(&dev->log);
	ref_engine_carry_over(&dev->engine);
	pthread_mutex_unlock(&dev->lock);
}

static void reset(struct ref_device *dev, enum fault_action fault)
{
	struct registers regs;

	pthread_mutex_lock(&dev->migration.session_lock);
	pthread_mutex_lock(&dev->lock);
	ref_engine_hold(dev);
	ref_migration_reset(dev, fault);
	regs = dev->regs;
	if (fault != FAULT_KEEP_MEMORY)
		ref_memory_fill(&dev->memory, dev->options->serial);
	power_on(dev);
	if (fault == FAULT_KEEP_REGISTERS)
		dev->regs = regs;
	ref_engine_release(dev);
	pthread_mutex_unlock(&dev->lock);
	pthread_mutex_unlock(&dev->migration.session_lock);
}

void ref_device_reset(struct ref_device *dev)
{
	reset(dev, FAULT_NONE);
}

int ref_device_reset_asked(struct ref_device *dev)
{
	struct strike strike = ref_fault_at(dev, FAULT_RESET, ref_migration_state(dev), ref_migration_has_failed(dev),
					    ref_migration_position(dev), 0);

	if (!strike.ret && strike.action != FAULT_IGNORE)
		reset(dev, strike.action);
	if (strike.action == FAULT_TO || strike.action == FAULT_FAIL_TO)
		ref_migration_force(dev, (uint32_t)strike.value);
	return strike.ret;
}

/* The data socket's thread may be the one: then a change of the state is not to be cut in two. */
void ref_device_reset_itself(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->migration.move_lock);
	reset(dev, FAULT_NONE);
	pthread_mutex_unlock(&dev->migration.move_lock);
}
