/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The stream of the reference device: every record once, in order, with the right words. The device writes a
 * record's sequence last, so a slot that has the awaited sequence has all of the record.
 */
#include "ref/guest/driver_ref.h"

#include <errno.h>

#define RECORDS_PER_S 20000u /* a full ring after 50 ms: a paused guest does halt the stream */

static const struct refdev_record *slot_of(const struct driver_ref *ref, uint64_t n)
{
	const struct refdev_record *ring = (const void *)ref->env.area;

	return &ring[n % DRIVER_REF_RING_ENTRIES];
}

/* Another process writes it, and the words before it must not be read earlier. */
static uint64_t sequence_of(const struct refdev_record *record)
{
	return __atomic_load_n(&record->sequence, __ATOMIC_ACQUIRE);
}

/* What a slot holds before record n: record n - entries, or nothing yet. */
static uint64_t sequence_before(uint64_t n)
{
	return n < DRIVER_REF_RING_ENTRIES ? 0 : n + 1 - DRIVER_REF_RING_ENTRIES;
}

static int record_right(const struct driver_ref *ref, const struct refdev_record *record, uint64_t n)
{
	uint64_t check = refdev_record_check(n, ref->stream.serial);
	int right = record->serial == ref->stream.serial && record->check == check;

	for (uint64_t i = 0; i < 5; i++)
		right &= record->words[i] == refdev_mix(check + i);
	return right;
}

static void complain(const struct driver_ref *ref, uint64_t n, const char *what, uint64_t sequence)
{
	integrity_fail(ref->env.integrity, "%s: record %llu of the stream is %s (sequence %llu in its slot)", ref->id,
		       (unsigned long long)n, what, (unsigned long long)sequence);
}

/* 1: record n is there, right or wrong; 0: not yet. */
static int look_at(const struct driver_ref *ref, uint64_t n)
{
	const struct refdev_record *record = slot_of(ref, n);
	uint64_t sequence = sequence_of(record);

	if (sequence == n + 1) {
		if (!record_right(ref, record, n))
			complain(ref, n, "damaged", sequence);
		return 1;
	}
	if (sequence == sequence_before(n))
		return 0;
	complain(ref, n, "lost or out of order", sequence);
	return 1;
}

void driver_ref_stream_start(struct driver_ref *ref)
{
	struct mmio *registers = &ref->registers;

	ref->stream.serial = mmio_get_u64(registers, REFDEV_REG_SERIAL);
	mmio_put_u32(registers, REFDEV_REG_STREAM_CONTROL, REFDEV_STREAM_RESET);
	mmio_put_u64(registers, REFDEV_REG_STREAM_RING, ref->env.area_gpa);
	mmio_put_u32(registers, REFDEV_REG_STREAM_ENTRIES, DRIVER_REF_RING_ENTRIES);
	mmio_put_u64(registers, REFDEV_REG_STREAM_RATE,
		     ref->env.records_per_s ? ref->env.records_per_s : RECORDS_PER_S);
	mmio_put_u32(registers, REFDEV_REG_STREAM_CONTROL, REFDEV_STREAM_START);
}

/* The device wants the index often enough to go on, and no more often: each telling is a round trip. */
static void tell_consumer(struct driver_ref *ref, uint64_t taken)
{
	if (taken - ref->stream.told < DRIVER_REF_RING_ENTRIES / 8)
		return;
	mmio_put_u64(&ref->registers, REFDEV_REG_STREAM_CONSUMER, taken);
	ref->stream.told = taken;
	if (mmio_get_u32(&ref->registers, REFDEV_REG_STREAM_STATUS) == REFDEV_STATUS_ERROR)
		integrity_fail(ref->env.integrity, "%s: the stream has halted with error %u", ref->id,
			       mmio_get_u32(&ref->registers, REFDEV_REG_STREAM_ERROR));
}

void driver_ref_stream_tick(struct driver_ref *ref)
{
	uint64_t taken = atomic_load_explicit(&ref->stream.nr_taken, memory_order_relaxed);
	uint64_t end = taken + DRIVER_REF_RING_ENTRIES;

	interrupts_take(&ref->interrupts, REFDEV_VECTOR_STREAM);
	while (taken < end && look_at(ref, taken))
		taken++;
	atomic_store_explicit(&ref->stream.nr_taken, taken, memory_order_relaxed);
	tell_consumer(ref, taken);
}

/* Records that wait in the ring are looked at and left there. */
void driver_ref_stream_check(const struct driver_ref *ref)
{
	uint64_t n = atomic_load_explicit(&ref->stream.nr_taken, memory_order_relaxed);
	uint64_t end = ref->stream.told + DRIVER_REF_RING_ENTRIES;

	while (n < end && look_at(ref, n))
		n++;
}

void driver_ref_stream_save(const struct driver_ref *ref, struct blob_out *out)
{
	blob_put_u64(out, ref->stream.serial);
	blob_put_u64(out, ref->stream.told);
	blob_put_u64(out, atomic_load_explicit(&ref->stream.nr_taken, memory_order_relaxed));
}

int driver_ref_stream_load(struct driver_ref *ref, struct blob_in *in)
{
	uint64_t taken;

	ref->stream.serial = blob_get_u64(in);
	ref->stream.told = blob_get_u64(in);
	taken = blob_get_u64(in);
	atomic_store_explicit(&ref->stream.nr_taken, taken, memory_order_relaxed);
	return in->bad || ref->stream.told > taken ? -EBADMSG : 0;
}
