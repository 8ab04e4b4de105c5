/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The DMA engine: one thread that carries out the operation in flight, writes the stream's records and the stamps into
 * peers and signals interrupts; nobody else does DMA or signals. It works in pieces of at most ENGINE_PIECE_BYTES
 * outside the device's lock, and only while nobody holds it: a hold returns when no piece is under way. It is held for
 * good while no client is there, for a moment when maps go away. Stamps are held by themselves in the states in which
 * a device may not do DMA to peers, and all the rest, "parked", in those in which it may not run.
 *
 * A "carried over" operation or stream came with a migration or outlived its client. When its memory is not mapped
 * it waits for the maps, where one that this client began would fail.
 */
#ifndef REF_DEVICE_ENGINE_H
#define REF_DEVICE_ENGINE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_PIECE_BYTES  ((size_t)256 << 10)
#define ENGINE_BOUNCE_BYTES ((size_t)64 << 10)

struct ref_device;
struct XXH3_state_s;

enum engine_piece { ENGINE_PIECE_NONE = 0, ENGINE_PIECE_OWN = 1 << 0, ENGINE_PIECE_PEER = 1 << 1 };

struct engine {
	pthread_t thread;
	bool started;
	bool ended;
	unsigned int holds; /* of all but the stamps */
	unsigned int peer_holds;
	enum engine_piece in_piece;
	uint8_t *bounce; /* the engine thread's */

	uint64_t op_due_ns;
	bool op_carried;
	struct XXH3_state_s *hash; /* CHECKSUM: of the first op_hashed bytes */
	uint64_t op_hashed;

	uint64_t stream_due_ns;
	bool stream_carried;
	bool stream_moved; /* the consumer index, since the vector was raised */
	uint64_t stream_raised_ns;

	uint64_t peer_due_ns;
	bool peer_carried;
};

/* Starts held: no client. */
int ref_engine_start(struct ref_device *dev);
void ref_engine_stop(struct ref_device *dev);

/* The rest: with the device's lock held. A hold gives it up while it waits. */
void ref_engine_hold(struct ref_device *dev);
void ref_engine_release(struct ref_device *dev);
void ref_engine_park(struct ref_device *dev);
void ref_engine_unpark(struct ref_device *dev);
void ref_engine_hold_peers(struct ref_device *dev);
void ref_engine_release_peers(struct ref_device *dev);
void ref_engine_wake(struct ref_device *dev); /* something is to be done, or can be done now */
void ref_engine_reset(struct engine *engine);
void ref_engine_carry_over(struct engine *engine);
void ref_engine_register_written(struct ref_device *dev, uint64_t reg, uint64_t value);

/* The engine thread's, around the work of a piece: the lock is not held in between. */
void ref_engine_piece_begin(struct ref_device *dev, enum engine_piece piece);
void ref_engine_piece_end(struct ref_device *dev);

/* It has written guest memory: the log hears of it, unless a fault keeps it from it. */
void ref_engine_wrote(struct ref_device *dev, uint64_t iova, uint64_t size);

#endif
