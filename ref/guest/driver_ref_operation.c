/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Operations of the reference device, in a cycle of five: fill local memory, take its checksum, copy it out and
 * look at it in RAM, copy a buffer in, take its checksum. Where, how long and with which seed follows from the
 * operation's number alone, so its number and whether it is in flight is all that moves with the guest. Each
 * must end exactly once: one interrupt, one more in the count, its own tag.
 */
#include "ref/guest/driver_ref.h"

#include "ref/base/vm_thread.h"
#include "ref/guest/page_pattern.h"

#include <errno.h>
#include <xxhash.h>

#define BYTES_PER_S       (8u << 20)      /* slow enough for a pause to meet most operations in flight */
#define OVERDUE_NS        (20 * NS_PER_S) /* of running here: then the device is asked what became of it */
#define ROUND_DOWN(x, to) ((x) / (to) * (to))

enum step { STEP_FILL, STEP_SUM_FILLED, STEP_COPY_OUT, STEP_COPY_IN, STEP_SUM_COPIED, NR_STEPS };

struct operation {
	enum step step;
	uint32_t code;
	uint64_t local;
	uint64_t length_bytes;
	uint64_t seed;         /* register: of the pattern or of the checksum */
	uint64_t pattern_seed; /* of what local memory or the buffer holds */
	uint64_t tag;
};

static const struct step_kind {
	uint32_t code;
	uint32_t half; /* of local memory: 0 is filled, 1 is copied into */
	void (*before)(struct driver_ref *ref, const struct operation *op);
	void (*after)(struct driver_ref *ref, const struct operation *op, uint64_t result);
} kinds[NR_STEPS];

/* In bytes: no more than fits, here and there, and than this guest bears. */
static uint64_t longest(const struct driver_ref *ref, uint64_t place_bytes)
{
	uint64_t fits = place_bytes < DRIVER_REF_BUFFER_BYTES ? place_bytes : DRIVER_REF_BUFFER_BYTES;

	return ref->env.operation_bytes && ref->env.operation_bytes < fits ? ref->env.operation_bytes : fits;
}

/* The length and the place follow from the cycle, so all five speak of the same bytes. */
static struct operation operation_of(const struct driver_ref *ref, uint64_t n)
{
	uint64_t cycle = page_pattern_mix(ref->env.seed + page_pattern_mix(n / NR_STEPS));
	uint64_t half_bytes = ROUND_DOWN(ref->operations.memory_bytes / 2, 8);
	uint64_t most = longest(ref, half_bytes / 2);
	uint64_t length = 8 + ROUND_DOWN(cycle % (most - 8), 8);
	const struct step_kind *kind = &kinds[n % NR_STEPS];
	uint64_t place = ROUND_DOWN(page_pattern_mix(cycle + 1) % (half_bytes - length + 1), 8);
	uint64_t pattern_seed = page_pattern_mix(cycle + 2 + kind->half);
	uint64_t sum_seed = page_pattern_mix(cycle + 4);

	return (struct operation){
		.step = (enum step)(n % NR_STEPS),
		.code = kind->code,
		.local = kind->half * half_bytes + place,
		.length_bytes = length,
		.seed = kind->code == REFDEV_OP_CHECKSUM ? sum_seed : pattern_seed,
		.pattern_seed = pattern_seed,
		.tag = page_pattern_mix(ref->env.seed ^ page_pattern_mix(~n)),
	};
}

static uint64_t *buffer_of(const struct driver_ref *ref)
{
	return (uint64_t *)(void *)(ref->env.area + DRIVER_REF_RING_BYTES);
}

/* Guest RAM written while a migration may read it: see page_pattern_write. */
__attribute__((no_sanitize("thread"))) static void write_words(uint64_t *words, uint64_t bytes, uint64_t seed)
{
	for (uint64_t i = 0; i < bytes / 8; i++)
		words[i] = refdev_fill_word(seed, i);
}

static void fill_buffer(struct driver_ref *ref, const struct operation *op)
{
	write_words(buffer_of(ref), op->length_bytes, op->pattern_seed);
}

static void look_at_moved(struct driver_ref *ref, const struct operation *op, uint64_t result)
{
	if (result != op->length_bytes)
		integrity_fail(ref->env.integrity, "%s: operation %llu moved %llu bytes of %llu", ref->id,
			       (unsigned long long)ref->operations.next, (unsigned long long)result,
			       (unsigned long long)op->length_bytes);
}

static void look_at_copy(struct driver_ref *ref, const struct operation *op, uint64_t result)
{
	const uint64_t *words = buffer_of(ref);

	look_at_moved(ref, op, result);
	for (uint64_t i = 0; i < op->length_bytes / 8; i++) {
		if (words[i] == refdev_fill_word(op->pattern_seed, i))
			continue;
		integrity_fail(ref->env.integrity, "%s: operation %llu: RAM is wrong from byte %llu of the copy on",
			       ref->id, (unsigned long long)ref->operations.next, (unsigned long long)(i * 8));
		return;
	}
}

static void look_at_sum(struct driver_ref *ref, const struct operation *op, uint64_t result)
{
	uint64_t sum;

	write_words(ref->words, op->length_bytes, op->pattern_seed);
	sum = XXH3_64bits_withSeed(ref->words, op->length_bytes, op->seed);
	if (result != sum)
		integrity_fail(ref->env.integrity,
			       "%s: operation %llu: checksum of local memory is %016llx and must be %016llx", ref->id,
			       (unsigned long long)ref->operations.next, (unsigned long long)result,
			       (unsigned long long)sum);
}

static const struct step_kind kinds[NR_STEPS] = {
	[STEP_FILL] = { REFDEV_OP_FILL, 0, NULL, look_at_moved },
	[STEP_SUM_FILLED] = { REFDEV_OP_CHECKSUM, 0, NULL, look_at_sum },
	[STEP_COPY_OUT] = { REFDEV_OP_COPY_OUT, 0, NULL, look_at_copy },
	[STEP_COPY_IN] = { REFDEV_OP_COPY_IN, 1, fill_buffer, look_at_moved },
	[STEP_SUM_COPIED] = { REFDEV_OP_CHECKSUM, 1, NULL, look_at_sum },
};

/* Where devices have peers this one is a peer too, and its window is for another to write to. */
void driver_ref_operations_start(struct driver_ref *ref)
{
	uint64_t bytes = mmio_get_u64(&ref->registers, REFDEV_REG_MEMORY_SIZE);
	uint64_t window = ref->env.peer ? REFDEV_WINDOW_BYTES : 0;

	ref->operations.memory_bytes = bytes > window ? bytes - window : 0;
	mmio_put_u64(&ref->registers, REFDEV_REG_OP_RATE, BYTES_PER_S);
}

static void begin(struct driver_ref *ref, uint64_t now_ns)
{
	struct operation op = operation_of(ref, ref->operations.next);
	struct mmio *registers = &ref->registers;

	if (kinds[op.step].before)
		kinds[op.step].before(ref, &op);
	mmio_put_u32(registers, REFDEV_REG_OP_CODE, op.code);
	mmio_put_u64(registers, REFDEV_REG_OP_GUEST, ref->env.area_gpa + DRIVER_REF_RING_BYTES);
	mmio_put_u64(registers, REFDEV_REG_OP_LOCAL, op.local);
	mmio_put_u64(registers, REFDEV_REG_OP_LENGTH, op.length_bytes);
	mmio_put_u64(registers, REFDEV_REG_OP_SEED, op.seed);
	mmio_put_u64(registers, REFDEV_REG_OP_TAG, op.tag);
	mmio_put_u32(registers, REFDEV_REG_OP_DOORBELL, 1);
	ref->operations.in_flight = 1;
	ref->operations.rung_ns = now_ns;
}

static void look_at_end(struct driver_ref *ref, const struct operation *op)
{
	uint32_t status = mmio_get_u32(&ref->registers, REFDEV_REG_OP_STATUS);
	uint32_t error = mmio_get_u32(&ref->registers, REFDEV_REG_OP_ERROR);
	uint64_t completed = mmio_get_u64(&ref->registers, REFDEV_REG_OP_COMPLETED);
	uint64_t tag = mmio_get_u64(&ref->registers, REFDEV_REG_OP_LAST_TAG);
	uint64_t result = mmio_get_u64(&ref->registers, REFDEV_REG_OP_RESULT);
	unsigned long long n = ref->operations.next;

	if (ref->registers.error.code)
		return;
	if (completed != n + 1)
		integrity_fail(ref->env.integrity, "%s: operation %llu has ended, the device counts %llu", ref->id, n,
			       (unsigned long long)completed);
	else if (tag != op->tag)
		integrity_fail(ref->env.integrity, "%s: operation %llu ended with the tag of another", ref->id, n);
	else if (status != REFDEV_STATUS_DONE)
		integrity_fail(ref->env.integrity, "%s: operation %llu ended in status %u, error %u", ref->id, n,
			       status, error);
	else
		kinds[op->step].after(ref, op, result);
}

static void end(struct driver_ref *ref)
{
	struct operation op = operation_of(ref, ref->operations.next);

	look_at_end(ref, &op);
	ref->operations.next++;
	ref->operations.in_flight = 0;
	atomic_fetch_add_explicit(&ref->operations.nr_ended, 1, memory_order_relaxed);
}

/* An operation may be slow, but one that has ended must have said so. */
static void look_after(struct driver_ref *ref, uint64_t now_ns)
{
	if (!ref->operations.rung_ns)
		ref->operations.rung_ns = now_ns;
	if (now_ns < ref->operations.rung_ns + OVERDUE_NS)
		return;
	ref->operations.rung_ns = now_ns;
	if (mmio_get_u32(&ref->registers, REFDEV_REG_OP_STATUS) == REFDEV_STATUS_BUSY || ref->registers.error.code)
		return;
	interrupts_collect(&ref->interrupts);
	if (ref->interrupts.pending[REFDEV_VECTOR_OPERATION])
		return;
	integrity_fail(ref->env.integrity, "%s: operation %llu has ended and its interrupt did not come", ref->id,
		       (unsigned long long)ref->operations.next);
	end(ref);
}

void driver_ref_operations_tick(struct driver_ref *ref, uint64_t now_ns)
{
	uint64_t interrupts = interrupts_take(&ref->interrupts, REFDEV_VECTOR_OPERATION);

	if (interrupts > ref->operations.in_flight)
		integrity_fail(ref->env.integrity, "%s: %llu interrupts while %u operations were in flight", ref->id,
			       (unsigned long long)interrupts, ref->operations.in_flight);
	if (interrupts && ref->operations.in_flight)
		end(ref);
	else if (ref->operations.in_flight)
		look_after(ref, now_ns);
	if (!ref->operations.in_flight)
		begin(ref, now_ns);
}

void driver_ref_operations_save(const struct driver_ref *ref, struct blob_out *out)
{
	blob_put_u64(out, ref->operations.memory_bytes);
	blob_put_u64(out, ref->operations.next);
	blob_put_u32(out, ref->operations.in_flight);
	blob_put_u64(out, atomic_load_explicit(&ref->operations.nr_ended, memory_order_relaxed));
}

int driver_ref_operations_load(struct driver_ref *ref, struct blob_in *in)
{
	struct driver_ref_operations *operations = &ref->operations;

	operations->memory_bytes = blob_get_u64(in);
	operations->next = blob_get_u64(in);
	operations->in_flight = blob_get_u32(in);
	atomic_store_explicit(&operations->nr_ended, blob_get_u64(in), memory_order_relaxed);
	operations->rung_ns = 0;
	return in->bad || operations->in_flight > 1 || operations->memory_bytes < DRIVER_REF_MIN_MEMORY_BYTES ? -EBADMSG
													      : 0;
}
