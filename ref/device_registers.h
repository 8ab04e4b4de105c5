/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The reference device as a driver sees it: PCI identity, BARs, registers, operation codes and the stream's
 * record. Shared by the device (ref/device/) and the reference VM's driver (ref/vm/), and by nobody else: this
 * page is the rule, both sides follow it. All values are little-endian; "guest address" is a DMA address.
 *
 * The device is made to be migrated: it has local memory to move, operations that take as long as one likes,
 * a stream of numbered records in which a lost, doubled or reordered one shows, and stamps into other devices'
 * memory, in which a lost or torn one does.
 */
#ifndef REF_DEVICE_REGISTERS_H
#define REF_DEVICE_REGISTERS_H

#include <stdint.h>

/* PCI identity. */
#define REFDEV_VENDOR_ID  0x6764 /* "gd" */
#define REFDEV_DEVICE_ID  0x0001
#define REFDEV_CLASS_CODE 0x088000 /* generic system peripheral, other */
#define REFDEV_REVISION   0x01

/*
 * BAR 0  registers, 32-bit memory, 4 KiB. Reads of any width; a write hits exactly one register, at its width.
 * BAR 2  local memory, 64-bit prefetchable; REFDEV_REG_MEMORY_SIZE bytes of it, rounded up to a power of two:
 *        beyond the memory reads give ones and writes are dropped. Its last REFDEV_WINDOW_BYTES (all of it, if it
 *        has no more) are the window: it alone can be mapped, and so reached by other devices' DMA.
 * BAR 4  MSI-X table at 0 and pending bits at 0x800, 32-bit memory, 4 KiB.
 */
#define REFDEV_BAR_REGISTERS  0
#define REFDEV_BAR_MEMORY     2
#define REFDEV_BAR_MSIX       4
#define REFDEV_REGISTERS_SIZE 4096
#define REFDEV_MSIX_SIZE      4096
#define REFDEV_WINDOW_BYTES   (64u << 10)
#define REFDEV_MSIX_TABLE     0x000
#define REFDEV_MSIX_PBA       0x800

/*
 * MSI-X vectors. OPERATION: one for each operation that ended, done or failed. STREAM: records are waiting; at
 * most one for each time that the driver moves the consumer index, or one a millisecond. A vector raised while
 * no eventfd is bound, or while the device may not run, stays pending and is delivered later, also after a move.
 */
#define REFDEV_VECTOR_OPERATION 0
#define REFDEV_VECTOR_STREAM    1
#define REFDEV_NR_VECTORS       2

/* Identity. ro: writes are ignored. */
#define REFDEV_REG_MAGIC       0x000      /* u32 ro */
#define REFDEV_REG_VERSION     0x004      /* u32 ro */
#define REFDEV_REG_MEMORY_SIZE 0x008      /* u64 ro, bytes of local memory */
#define REFDEV_REG_SERIAL      0x010      /* u64 ro, stamped on the stream's records; moves with the device's state */
#define REFDEV_MAGIC           0x74776467 /* "gdwt" */
#define REFDEV_VERSION         2          /* 2: the stamps, REFDEV_REG_PEER_* */

/*
 * The operation: one in flight. Write the parameters, then the doorbell (any value). While it is BUSY, writes to
 * the parameters and to the doorbell are ignored. It ends as DONE or ERROR, raises REFDEV_VECTOR_OPERATION once,
 * and COMPLETED and LAST_TAG tell that it ended (in both cases). Addresses and length are multiples of 8, the
 * length is not 0. A guest range must be mapped, with the right to read or write, when the doorbell rings.
 */
#define REFDEV_REG_OP_CODE      0x100 /* u32 rw, REFDEV_OP_* */
#define REFDEV_REG_OP_STATUS    0x104 /* u32 ro, REFDEV_STATUS_* */
#define REFDEV_REG_OP_GUEST     0x108 /* u64 rw, guest address; COPY_IN and COPY_OUT */
#define REFDEV_REG_OP_LOCAL     0x110 /* u64 rw, offset in local memory */
#define REFDEV_REG_OP_LENGTH    0x118 /* u64 rw, bytes */
#define REFDEV_REG_OP_SEED      0x120 /* u64 rw, FILL: the pattern's seed; CHECKSUM: the seed of XXH3 */
#define REFDEV_REG_OP_TAG       0x128 /* u64 rw, the driver's own name for the operation */
#define REFDEV_REG_OP_DOORBELL  0x130 /* u32 wo */
#define REFDEV_REG_OP_ERROR     0x134 /* u32 ro, REFDEV_ERROR_* of the last operation */
#define REFDEV_REG_OP_RESULT    0x138 /* u64 ro, CHECKSUM: XXH3-64; the others: bytes moved */
#define REFDEV_REG_OP_COMPLETED 0x140 /* u64 ro, operations ended since reset */
#define REFDEV_REG_OP_LAST_TAG  0x148 /* u64 ro, tag of the operation that ended last */
#define REFDEV_REG_OP_PROGRESS  0x150 /* u64 ro, bytes done of the operation in flight */
#define REFDEV_REG_OP_RATE      0x158 /* u64 rw at any time, bytes a second; 0: as fast as it can */

enum refdev_op {
	REFDEV_OP_NONE = 0,
	REFDEV_OP_FILL = 1,     /* local[i] = refdev_fill_word(seed, i), i counted in words from OP_LOCAL */
	REFDEV_OP_COPY_IN = 2,  /* guest memory to local memory */
	REFDEV_OP_COPY_OUT = 3, /* local memory to guest memory */
	REFDEV_OP_CHECKSUM = 4, /* XXH3_64bits_withSeed over local memory */
};

enum refdev_status {
	REFDEV_STATUS_IDLE = 0,
	REFDEV_STATUS_BUSY = 1, /* the stream: running */
	REFDEV_STATUS_DONE = 2, /* never for the stream */
	REFDEV_STATUS_ERROR = 3,
};

enum refdev_error {
	REFDEV_ERROR_NONE = 0,
	REFDEV_ERROR_CODE = 1,  /* no such operation */
	REFDEV_ERROR_RANGE = 2, /* not a multiple of 8, length 0, or outside local memory; stream: entries, ring */
	REFDEV_ERROR_DMA = 3,   /* guest memory not mapped, or not with that right */
	REFDEV_ERROR_INDEX = 4, /* stream: consumer index moved back or past the producer's */
};

/*
 * The stream: the device writes records 0, 1, 2... into a ring of guest memory, record n into slot n % entries,
 * and at most `entries` beyond the consumer index; so moving the consumer index is what gives it credit. Indexes
 * count records since reset and never wrap. Ring address (multiple of 64) and entries (power of two, at most
 * REFDEV_STREAM_MAX_ENTRIES) can be written while it does not run. CONTROL: START checks them and runs, going on
 * from the producer index; STOP halts it; RESET halts it and sets both indexes to 0. In ERROR it has halted.
 */
#define REFDEV_REG_STREAM_CONTROL  0x200 /* u32 wo, REFDEV_STREAM_* */
#define REFDEV_REG_STREAM_STATUS   0x204 /* u32 ro, REFDEV_STATUS_* */
#define REFDEV_REG_STREAM_RING     0x208 /* u64 rw, guest address */
#define REFDEV_REG_STREAM_ENTRIES  0x210 /* u32 rw */
#define REFDEV_REG_STREAM_ERROR    0x214 /* u32 ro, REFDEV_ERROR_* */
#define REFDEV_REG_STREAM_CONSUMER 0x218 /* u64 rw at any time: records the driver has taken */
#define REFDEV_REG_STREAM_PRODUCER 0x220 /* u64 ro: records the device has written */
#define REFDEV_REG_STREAM_RATE     0x228 /* u64 rw at any time, records a second; 0: as fast as it can */

#define REFDEV_STREAM_STOP        0
#define REFDEV_STREAM_START       1
#define REFDEV_STREAM_RESET       2
#define REFDEV_STREAM_MAX_ENTRIES 65536

/* A record. The device writes `sequence` last: a slot whose sequence is n + 1 holds all of record n. */
struct refdev_record {
	uint64_t sequence; /* n + 1, so that zeroed memory holds no record */
	uint64_t serial;   /* REFDEV_REG_SERIAL */
	uint64_t check;    /* refdev_record_check(n, serial) */
	uint64_t words[5]; /* refdev_mix(check + i) */
};

/*
 * The stamps: the device writes into a peer's window (or any memory mapped for it to be read and written), stamp n
 * into slot n % entries, over and over, without credit. It is the only DMA that this device knows to be
 * peer-to-peer, so it is what stops in the P2P states. A stamp adds refdev_stamp_word(serial, i) to word i of its
 * slot: what a slot holds tells how many stamps it has had since it was zero, so one that was lost is missing for
 * ever, and one of which a part was lost is torn for ever. COUNT counts stamps that are whole in the peer's memory:
 * once STOP has returned, neither it nor the memory changes. Ring address (multiple of 64) and entries (power of
 * two) can be written while it does not run. CONTROL as for the stream, RESET sets COUNT to 0.
 */
#define REFDEV_REG_PEER_CONTROL 0x300 /* u32 wo, REFDEV_STREAM_* */
#define REFDEV_REG_PEER_STATUS  0x304 /* u32 ro, REFDEV_STATUS_* */
#define REFDEV_REG_PEER_RING    0x308 /* u64 rw, where the slots are */
#define REFDEV_REG_PEER_ENTRIES 0x310 /* u32 rw */
#define REFDEV_REG_PEER_ERROR   0x314 /* u32 ro, REFDEV_ERROR_* */
#define REFDEV_REG_PEER_COUNT   0x318 /* u64 ro: stamps written */
#define REFDEV_REG_PEER_RATE    0x320 /* u64 rw at any time, stamps a second; 0: as fast as it can */

#define REFDEV_STAMP_WORDS 8

/* A slot of stamps. Little-endian words; word 0 is how many it has had. */
struct refdev_slot {
	uint64_t words[REFDEV_STAMP_WORDS];
};

/* A 64-bit mixer (the finalizer of splitmix64): every bit of the result depends on every bit of x. */
static inline uint64_t refdev_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static inline uint64_t refdev_fill_word(uint64_t seed, uint64_t index)
{
	return refdev_mix(seed ^ refdev_mix(index));
}

static inline uint64_t refdev_record_check(uint64_t n, uint64_t serial)
{
	return refdev_mix(serial ^ refdev_mix(n));
}

static inline uint64_t refdev_stamp_word(uint64_t serial, uint64_t i)
{
	return i ? refdev_mix(serial ^ refdev_mix(~i)) : 1;
}

/* How many of the first `count` stamps went into a slot. */
static inline uint64_t refdev_slot_stamps(uint64_t count, uint64_t entries, uint64_t slot)
{
	return count / entries + (slot < count % entries);
}

#endif
