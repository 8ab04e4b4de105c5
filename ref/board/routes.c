/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM's table of interrupt routes (KVM_SET_GSI_ROUTING). */
#include "ref/board/routes.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define PIC_PINS    16
#define IOAPIC_PINS 24
#define MAX_ENTRIES (PIC_PINS + IOAPIC_PINS + ROUTES_MAX_MSI)

static void add_pin(struct kvm_irq_routing *table, uint32_t gsi, uint32_t chip, uint32_t pin)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/* As PCs have it: lines 0 to 15 go to both PICs and the IOAPIC, the timer's to the IOAPIC's pin 2. */
static void add_lines(struct kvm_irq_routing *table)
{
	for (uint32_t gsi = 0; gsi < PIC_PINS; gsi++)
		add_pin(table, gsi, gsi < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, gsi % 8);
	for (uint32_t gsi = 0; gsi < IOAPIC_PINS; gsi++)
		if (gsi != 2)
			add_pin(table, gsi, KVM_IRQCHIP_IOAPIC, gsi ? gsi : 2);
}

static void add_msi(struct kvm_irq_routing *table, uint32_t gsi, const struct routes_msi *msi)
{
	table->entries[table->nr++] = (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = (uint32_t)msi->address,
			   .address_hi = (uint32_t)(msi->address >> 32),
			   .data = msi->data },
	};
}

/*
 * To a local APIC, as PCs have it. A guest may write anything; what is addressed elsewhere goes nowhere, and KVM, which
 * would refuse the whole table for it, never sees it.
 */
static int is_message(const struct routes_msi *msi)
{
	return msi->used && msi->address >> 20 == 0xfee;
}

/* Under the lock, or before there is another thread. */
static int tell_kvm(struct routes *routes, struct gw_error *e)
{
	struct kvm_irq_routing *table;
	int ret;

	if (routes->nr_begun || !routes->changed)
		return 0;
	table = calloc(1, sizeof(*table) + MAX_ENTRIES * sizeof(table->entries[0]));
	if (!table)
		return gw_error_set(e, -ENOMEM, "interrupt routes", "no memory for the table");
	add_lines(table);
	for (uint32_t i = 0; i < ROUTES_MAX_MSI; i++)
		if (is_message(&routes->msi[i]))
			add_msi(table, ROUTES_FIRST_MSI + i, &routes->msi[i]);
	ret = ioctl(routes->vm_fd, KVM_SET_GSI_ROUTING, table) ? -errno : 0;
	free(table);
	routes->changed = !!ret;
	return ret ? gw_error_set(e, ret, "interrupt routes", "KVM_SET_GSI_ROUTING: %s", strerror(-ret)) : 0;
}

int routes_open(struct routes *routes, int vm_fd, struct gw_error *e)
{
	*routes = (struct routes){ .vm_fd = vm_fd, .changed = 1 };
	pthread_mutex_init(&routes->lock, NULL);
	return tell_kvm(routes, e);
}

void routes_close(struct routes *routes)
{
	pthread_mutex_destroy(&routes->lock);
}

int routes_take(struct routes *routes, uint32_t *gsi)
{
	int ret = -ENOSPC;

	pthread_mutex_lock(&routes->lock);
	for (uint32_t i = 0; i < ROUTES_MAX_MSI && ret; i++)
		if (!routes->msi[i].used) {
			routes->msi[i] = (struct routes_msi){ .used = 1 };
			*gsi = ROUTES_FIRST_MSI + i;
			ret = 0;
		}
	pthread_mutex_unlock(&routes->lock);
	return ret;
}

/* KVM hears of it with the next vector that is set: nobody raises this one. */
void routes_release(struct routes *routes, uint32_t gsi)
{
	pthread_mutex_lock(&routes->lock);
	routes->msi[gsi - ROUTES_FIRST_MSI].used = 0;
	pthread_mutex_unlock(&routes->lock);
}

int routes_set(struct routes *routes, uint32_t gsi, uint64_t address, uint32_t data, struct gw_error *e)
{
	struct routes_msi *msi = &routes->msi[gsi - ROUTES_FIRST_MSI], old;
	int ret = 0;

	pthread_mutex_lock(&routes->lock);
	old = *msi;
	if (old.address != address || old.data != data) {
		msi->address = address;
		msi->data = data;
		routes->changed = 1;
		ret = tell_kvm(routes, e);
	}
	/* A guest's nonsense must not stay in a table that the vectors of others are in as well. */
	if (ret)
		*msi = old;
	pthread_mutex_unlock(&routes->lock);
	return ret;
}

void routes_begin(struct routes *routes)
{
	pthread_mutex_lock(&routes->lock);
	routes->nr_begun++;
	pthread_mutex_unlock(&routes->lock);
}

int routes_end(struct routes *routes, struct gw_error *e)
{
	int ret;

	pthread_mutex_lock(&routes->lock);
	routes->nr_begun--;
	ret = tell_kvm(routes, e);
	pthread_mutex_unlock(&routes->lock);
	return ret;
}
