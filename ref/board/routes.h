/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's table of interrupt routes: the lines of PIC and IOAPIC as a PC has them, and a GSI for each MSI vector that is
 * in use. KVM takes the table as a whole, so it is kept here. Any thread.
 */
#ifndef REF_BOARD_ROUTES_H
#define REF_BOARD_ROUTES_H

#include <godwit/error.h>
#include <pthread.h>
#include <stdint.h>

#define ROUTES_FIRST_MSI 24 /* GSIs below are lines */
#define ROUTES_MAX_MSI   1024

struct routes {
	int vm_fd;
	pthread_mutex_t lock;
	uint32_t nr_begun; /* KVM is told at the end */
	uint32_t changed;
	struct routes_msi {
		uint64_t address;
		uint32_t data;
		uint32_t used;
	} msi[ROUTES_MAX_MSI];
};

int routes_open(struct routes *routes, int vm_fd, struct gw_error *e);
void routes_close(struct routes *routes);

/* A GSI for an MSI vector; -ENOSPC. release: no irqfd is bound to it. */
int routes_take(struct routes *routes, uint32_t *gsi);
void routes_release(struct routes *routes, uint32_t gsi);

/* Between them routes_set tells KVM nothing, end tells it all at once. They nest. */
void routes_begin(struct routes *routes);
int routes_end(struct routes *routes, struct gw_error *e);

/* What the vector of this GSI says when it is raised. What KVM refuses is not kept. */
int routes_set(struct routes *routes, uint32_t gsi, uint64_t address, uint32_t data, struct gw_error *e);

#endif
