/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connection: messages keep their order and take a while; so does data, on a channel of its own. A side that
 * closes its end is noticed by the other after what was on the way, or, as a reset does it, in place of it. A deaf
 * side gets nothing more and is not told.
 */
#include "world.h"

#include "base/bits.h"

#define LATENCY_MIN_NS (50 * NS_PER_US)
#define LATENCY_MAX_NS (4 * NS_PER_MS)
#define NOTICE_MAX_NS  (2 * NS_PER_S) /* longer than the stall: silence may be noticed first */
#define RESET_ONE_IN   4
#define SLOW_ONE_IN    20 /* a message takes far longer */
#define SLOW_MAX_NS    (400 * NS_PER_MS)
#define ON_THE_WAY     (1u << ENTRY_MESSAGE | 1u << ENTRY_DATA | 1u << ENTRY_START)

static enum side other(enum side side)
{
	return side == SOURCE ? DESTINATION : SOURCE;
}

static uint64_t arrival_ns(struct world *world, uint64_t *last_ns)
{
	uint64_t ns = rng_between(&world->rng, LATENCY_MIN_NS, LATENCY_MAX_NS);

	if (rng_one_in(&world->rng, SLOW_ONE_IN))
		ns += rng_between(&world->rng, 0, SLOW_MAX_NS);
	*last_ns = max_u64(*last_ns, world->now_ns + ns);
	return *last_ns;
}

static void put(struct world *world, struct entry entry)
{
	if (world->sides[entry.side].deaf)
		world->any_lost = true;
	else
		world_put(world, &entry);
}

void link_open(struct world *world)
{
	struct entry start = { .kind = ENTRY_START, .side = DESTINATION };

	world->sides[SOURCE].open = true;
	start.at_ns = arrival_ns(world, &world->sides[DESTINATION].arrival_ns);
	put(world, start);
}

void link_send(struct world *world, enum side from, uint16_t type)
{
	struct process *to = &world->sides[other(from)];
	struct entry message = { .kind = ENTRY_MESSAGE, .side = other(from), .what = type };

	if (!world->sides[from].open)
		return;
	world->loadable_sent |= type == FRAME_LOADABLE;
	world->ready_sent |= type == FRAME_READY;
	world->commit_sent |= type == FRAME_COMMIT;
	world->failed_sent |= type == FRAME_FAILED;
	message.batches = world->sent_batches;
	message.at_ns = arrival_ns(world, &to->arrival_ns);
	put(world, message);
}

void link_send_data(struct world *world, uint32_t mask, bool last)
{
	const struct process *source = &world->sides[SOURCE];
	struct entry data = { .kind = ENTRY_DATA, .side = DESTINATION, .mask = mask, .last = last };

	if (!source->open)
		return;
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		data.pages[i] = source->pages[i];
	for (unsigned i = 0; i < WORLD_DEVICES; i++)
		data.devices[i] = source->devices[i];
	world->sent_batches++;
	data.at_ns = arrival_ns(world, &world->sides[DESTINATION].data_ns);
	put(world, data);
}

/* What is on the way to a side never comes. */
static void lose(struct world *world, enum side to)
{
	unsigned i = 0;

	while (i < world->nr_entries) {
		if (world->entries[i].side != to || !(ON_THE_WAY >> world->entries[i].kind & 1)) {
			i++;
			continue;
		}
		world->entries[i] = world->entries[--world->nr_entries];
		world->any_lost = true;
	}
}

static void tell(struct world *world, enum side side, uint64_t at_ns)
{
	put(world, (struct entry){ .kind = ENTRY_LOST, .side = side, .at_ns = at_ns });
}

void link_close(struct world *world, enum side side)
{
	struct process *process = &world->sides[side], *peer = &world->sides[other(side)];

	process->closed = true;
	if (!process->open)
		return;
	process->open = false;
	if (rng_one_in(&world->rng, RESET_ONE_IN))
		lose(world, other(side));
	tell(world, other(side), arrival_ns(world, &peer->arrival_ns));
}

void link_cut(struct world *world)
{
	lose(world, SOURCE);
	lose(world, DESTINATION);
	for (enum side side = SOURCE; side < NR_SIDES; side++) {
		tell(world, side, world->now_ns + rng_between(&world->rng, 0, NOTICE_MAX_NS));
		world->sides[side].deaf = true;
	}
}

/* A process that ends is like one that closes; a host that ends says nothing more. */
void link_kill(struct world *world, enum side side)
{
	struct process *process = &world->sides[side];

	if (rng_one_in(&world->rng, 2))
		link_close(world, side);
	process->alive = process->open = process->vcpus = process->dma = false;
	process->closed = true;
	process->busy = 0;
}
