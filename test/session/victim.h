/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A real destination with a fake VM behind it, and the connections of one source that is none: opened as an honest one
 * would, for a test to go on from there. Every function asserts what it says.
 */
#ifndef TEST_VICTIM_H
#define TEST_VICTIM_H

#include "fake_vm.h"
#include "process_size.h"
#include "raw_peer.h"

#include <godwit/destination.h>

#define VICTIM_DEVICE_BYTES (1024 * 1024 + 77)
#define VICTIM_NR_DATA      2
#define VICTIM_RAM_BYTES    (FAKE_BLOCKS * FAKE_PAGES * GW_PAGE_BYTES)

struct victim {
	struct fake_vm vm;
	int running_vms, most_running;
	struct gw_destination *destination;
	struct process_size before;
	uint64_t resident_bytes;
	const char *path; /* where it listens */
	struct raw_peer control, data[VICTIM_NR_DATA];
};

void victim_open(struct victim *victim);
/* No more than one guest ever ran, and no fd and no thread is left. */
void victim_close(struct victim *victim);

/* A HELLO of the one migration these tests know. */
struct message victim_hello(uint32_t role, uint32_t channel, uint32_t epoch);
/* The manifest of the guest that is expected. */
void victim_describe(const struct victim *victim, struct message *message);
/* Connects and says the first message. */
void victim_greet(const struct victim *victim, struct raw_peer *peer, const struct message *message);
/* All of an honest source's way up to LOADABLE. */
void victim_begin(struct victim *victim, uint32_t reconnect_ms);
void victim_hang_up(struct victim *victim);

/* The migration has failed, for a reason with this in it; the guest is not here, and its RAM is as it was. */
void victim_rolled_back(struct victim *victim, const char *why);
/* An honest source comes, as soon as it is seen that the last one is gone, and its guest arrives. */
void victim_takes_a_guest(struct victim *victim);
/* The process never had more than so much more than when the victim was opened. */
void victim_check_memory(const struct victim *victim, uint64_t bound_bytes);

#endif
