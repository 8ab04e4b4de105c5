/* SPDX-License-Identifier: BSD-3-Clause */
/* Ways through the states, and rates, as far as what was seen tells of what is to come. */
#include "session/outlook.h"

#include "model/device_state.h"
#include "model/limits.h"

#define TALLY_BYTES (8 * LIMIT_DEVICE_BUFFER_BYTES)

static bool last_time(const struct arc_log *log, uint32_t from, uint32_t to, uint64_t *ns)
{
	for (uint32_t i = log->nr; i-- > 0;) {
		if (log->arcs[i].from != from || log->arcs[i].to != to)
			continue;
		*ns = log->arcs[i].ns;
		return true;
	}
	return false;
}

struct way way_between(const struct arc_log *log, uint32_t flags, uint32_t from, uint32_t to)
{
	struct way way = { 0 };
	uint32_t next;

	while (from != to && !device_state_next(flags, from, to, &next)) {
		uint64_t ns;

		if (last_time(log, from, next, &ns))
			way.seen_ns += ns;
		else
			way.nr_unseen++;
		from = next;
	}
	return way;
}

uint64_t way_ns(const struct way *way, uint64_t mean_ns)
{
	if (way->nr_unseen && !mean_ns)
		return UINT64_MAX;
	return way->seen_ns + way->nr_unseen * mean_ns;
}

uint64_t typical_arc_ns(const struct arc_log *log)
{
	for (uint32_t i = 0; i < log->nr; i++) {
		uint32_t nr_below = 0, nr_equal = 0;

		for (uint32_t j = 0; j < log->nr; j++) {
			nr_below += log->arcs[j].ns < log->arcs[i].ns;
			nr_equal += log->arcs[j].ns == log->arcs[i].ns;
		}
		if (nr_below <= (log->nr - 1) / 2 && (log->nr - 1) / 2 < nr_below + nr_equal)
			return log->arcs[i].ns;
	}
	return 0;
}

void recent_add(struct recent *recent, uint64_t ns)
{
	recent->before_ns = recent->last_ns;
	recent->last_ns = ns;
}

uint64_t recent_ns(const struct recent *recent)
{
	return recent->before_ns ? min_u64(recent->last_ns, recent->before_ns) : recent->last_ns;
}

/* The older half counts less and less: what the device or its host does meanwhile changes. */
void tally_add(struct tally *tally, uint64_t bytes, uint64_t ns)
{
	tally->bytes += bytes;
	tally->ns += ns;
	if (tally->bytes < TALLY_BYTES)
		return;
	tally->bytes /= 2;
	tally->ns /= 2;
}

/* A few bytes take as long as many: their rate, taken for that of many, is far too low. */
uint64_t tally_rate(const struct tally *tally, uint64_t wanted_bytes)
{
	if (!tally->ns || tally->bytes < min_u64(wanted_bytes, LIMIT_DEVICE_BUFFER_BYTES))
		return 0;
	return max_u64((uint64_t)((double)tally->bytes * NS_PER_S / (double)tally->ns), 1);
}
