/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bytes of a data session, in and out, at the rate that is set, and what is left of them; with the faults that
 * strike there.
 */
#include "ref/device/migration.h"

#include "ref/device/device.h"
#include "ref/device/pace.h"
#include "ref/device/state_load.h"
#include "ref/device/state_save.h"

#include <errno.h>
#include <string.h>

#define SCRATCH_BYTES 4096
#define EXTRA_BYTE    0xee

static uint64_t charge(struct migration *migration, uint64_t bytes, uint64_t rate)
{
	uint64_t now_ns = pace_now();
	uint64_t start_ns = migration->paced_ns > now_ns ? migration->paced_ns : now_ns;

	migration->paced_ns = pace_add(start_ns, pace_ns(bytes, rate));
	return migration->paced_ns;
}

uint64_t ref_migration_position(struct ref_device *dev)
{
	uint64_t position;

	pthread_mutex_lock(&dev->migration.session_lock);
	position = dev->migration.position;
	pthread_mutex_unlock(&dev->migration.session_lock);
	return position;
}

bool ref_migration_has_failed(struct ref_device *dev)
{
	bool failed;

	pthread_mutex_lock(&dev->migration.session_lock);
	failed = dev->migration.load && ref_state_load_has_failed(dev->migration.load);
	pthread_mutex_unlock(&dev->migration.session_lock);
	return failed;
}

static size_t read_on(struct migration *migration, uint8_t *buf, size_t size)
{
	size_t n = ref_state_save_read(migration->save, buf, size);

	migration->position += n;
	return n;
}

/* Bytes that nobody gets. */
static void lose(struct migration *migration, uint64_t bytes)
{
	uint8_t scratch[SCRATCH_BYTES];

	while (bytes) {
		size_t want = bytes < sizeof(scratch) ? (size_t)bytes : sizeof(scratch);

		bytes -= want;
		if (read_on(migration, scratch, want) < want)
			break;
	}
}

static size_t read_struck(struct migration *migration, uint8_t *buf, size_t size, const struct strike *strike)
{
	size_t at = strike->at < size ? (size_t)strike->at : size, n;

	switch (strike->action) {
	case FAULT_EARLY_END:
		return read_on(migration, buf, at);
	case FAULT_SHORT:
		return read_on(migration, buf, strike->value < size ? size - (size_t)strike->value : size != 0);
	case FAULT_LOSE:
		n = read_on(migration, buf, at);
		lose(migration, strike->value);
		return n + read_on(migration, buf + n, size - n);
	case FAULT_FLIP:
		n = read_on(migration, buf, size);
		if (at < n)
			buf[at] ^= 1;
		return n;
	default:
		return read_on(migration, buf, size);
	}
}

/* The session has no more; a fault gives some all the same: once before the end was told, or whenever it was. */
static ssize_t read_beyond(struct ref_device *dev, uint32_t state, uint8_t *buf, size_t size)
{
	struct migration *migration = &dev->migration;
	struct strike strike;
	size_t n;

	if (migration->end_extra && !migration->end_told)
		return 0;
	strike = ref_fault(dev, FAULT_END, state, migration->end_told ? FAULT_END_AGAIN : FAULT_END_FIRST);
	if (strike.action != FAULT_EXTRA)
		return strike.ret;
	migration->end_extra = true;
	n = strike.value < size ? (size_t)strike.value : size;
	memset(buf, EXTRA_BYTE, n);
	return (ssize_t)n;
}

static ssize_t read_session(struct ref_device *dev, uint32_t state, uint8_t *buf, size_t size,
			    const struct strike *strike)
{
	struct migration *migration = &dev->migration;
	size_t n = read_struck(migration, buf, size, strike);
	ssize_t beyond = 0;

	if (n && migration->reinit == REINIT_TOLD)
		migration->reinit = REINIT_NONE;
	if (n < size && ref_state_save_has_ended(migration->save))
		beyond = read_beyond(dev, state, buf + n, size - n);
	if (beyond < 0 && !n)
		return beyond;
	n += beyond > 0 ? (size_t)beyond : 0;
	migration->end_told |= size && !n && ref_state_save_has_ended(migration->save);
	return (ssize_t)n;
}

ssize_t ref_migration_read(struct ref_device *dev, void *buf, size_t size, uint64_t *done_ns)
{
	struct migration *migration = &dev->migration;
	uint32_t state = ref_migration_state(dev);
	struct strike strike = ref_fault_at(dev, FAULT_READ, state, 0, ref_migration_position(dev), size);
	ssize_t ret = strike.action == FAULT_ACCEPT ? 0 : -EINVAL;

	if (strike.ret)
		return strike.ret;
	pthread_mutex_lock(&migration->session_lock);
	if (migration->save) {
		ret = read_session(dev, state, buf, size, &strike);
		*done_ns = charge(migration, ret > 0 ? (uint64_t)ret : 0, dev->options->read_bytes_per_s);
	}
	pthread_mutex_unlock(&migration->session_lock);
	return ret;
}

static int write_struck(struct state_load *load, const uint8_t *buf, size_t size, const struct strike *strike)
{
	size_t at = strike->at < size ? (size_t)strike->at : size, left = size - at, gone;
	uint8_t flipped;
	int ret;

	if (strike->action == FAULT_IGNORE)
		return 0;
	if (!left || (strike->action != FAULT_LOSE && strike->action != FAULT_FLIP))
		return ref_state_load_write(load, buf, size);
	flipped = buf[at] ^ 1;
	gone = strike->action == FAULT_FLIP ? 1 : (strike->value < left ? (size_t)strike->value : left);
	ret = ref_state_load_write(load, buf, at);
	if (!ret && strike->action == FAULT_FLIP)
		ret = ref_state_load_write(load, &flipped, 1);
	return ret ? ret : ref_state_load_write(load, buf + at + gone, left - gone);
}

int ref_migration_write(struct ref_device *dev, const void *buf, size_t size, uint64_t *done_ns)
{
	struct migration *migration = &dev->migration;
	struct strike strike =
		ref_fault_at(dev, FAULT_WRITE, ref_migration_state(dev), 0, ref_migration_position(dev), size);
	int ret = -EINVAL;

	if (strike.ret)
		return strike.ret;
	pthread_mutex_lock(&migration->session_lock);
	if (migration->load) {
		ret = write_struck(migration->load, buf, size, &strike);
		migration->position += size;
		*done_ns = charge(migration, size, dev->options->load_bytes_per_s);
	}
	pthread_mutex_unlock(&migration->session_lock);
	return strike.action == FAULT_ACCEPT ? 0 : ret;
}

/* One of the times left is used up, if the device can re-arm now and the client would know what it means. */
void ref_migration_rearm(struct migration *migration, uint32_t *times_left)
{
	if (!migration->opted_in || !*times_left || !ref_state_save_rearm(migration->save))
		return;
	--*times_left;
	migration->reinit = REINIT_DUE;
}

void ref_migration_rearm_now(struct ref_device *dev)
{
	struct migration *migration = &dev->migration;
	uint32_t once = 1;

	pthread_mutex_lock(&migration->session_lock);
	if (migration->save && ref_mig_state_precopies(ref_migration_state(dev)))
		ref_migration_rearm(migration, &once);
	pthread_mutex_unlock(&migration->session_lock);
}

static void tell_left(struct migration *migration, uint32_t state, struct precopy_left *left)
{
	if (state == MIG_PRE_COPY && migration->initial_is_out)
		ref_migration_rearm(migration, &migration->rearms_left);
	ref_state_save_left(migration->save, &left->initial, &left->dirty);
	migration->initial_is_out = !left->initial;
	left->reinit = migration->opted_in && migration->reinit != REINIT_NONE;
	if (left->reinit)
		migration->reinit = REINIT_TOLD;
}

int ref_migration_precopy_left(struct ref_device *dev, struct precopy_left *left)
{
	struct migration *migration = &dev->migration;
	uint32_t state;
	int ret = -EINVAL;

	pthread_mutex_lock(&migration->session_lock);
	state = ref_migration_state(dev);
	if (migration->save && ref_mig_state_precopies(state)) {
		tell_left(migration, state, left);
		ret = 0;
	}
	pthread_mutex_unlock(&migration->session_lock);
	return ret;
}

void ref_migration_opt_in(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->migration.session_lock);
	dev->migration.opted_in = true;
	pthread_mutex_unlock(&dev->migration.session_lock);
}

void ref_migration_opt_out(struct ref_device *dev)
{
	pthread_mutex_lock(&dev->migration.session_lock);
	dev->migration.opted_in = false;
	pthread_mutex_unlock(&dev->migration.session_lock);
}

uint64_t ref_migration_stop_bytes(struct ref_device *dev)
{
	bool saves = ref_mig_state_session(ref_migration_state(dev)) == MIG_SESSION_SAVE;
	uint64_t bytes;

	pthread_mutex_lock(&dev->migration.session_lock);
	bytes = ref_state_save_stop_bytes(dev, saves ? dev->migration.save : NULL);
	pthread_mutex_unlock(&dev->migration.session_lock);
	return bytes;
}
