/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The connections: one control channel at a time, and data beside it. Messages keep their order and take a while; so
 * does data. A side that closes its end is noticed by the other after what was on the way, or, as a reset does it, in
 * place of it. What is sent on a connection that is broken never comes.
 */
#include "world.h"

#include "base/bits.h"

#define LATENCY_MIN_NS (50 * NS_PER_US)
#define LATENCY_MAX_NS (4 * NS_PER_MS)
#define NOTICE_MAX_NS  (2 * NS_PER_S) /* longer than the stall: silence may be noticed first */
#define RESET_ONE_IN   4
#define SLOW_ONE_IN    20 /* a message takes far longer */
#define SLOW_MAX_NS    (400 * NS_PER_MS)
#define STUCK_MAX_NS   (4 * NS_PER_S)
#define LATE_MAX_NS    (3 * NS_PER_S)

static uint64_t arrival_ns(struct world *world, uint64_t *last_ns)
{
	uint64_t ns = rng_between(&world->rng, LATENCY_MIN_NS, LATENCY_MAX_NS);

	if (rng_one_in(&world->rng, SLOW_ONE_IN))
		ns += rng_between(&world->rng, 0, SLOW_MAX_NS);
	*last_ns = max_u64(*last_ns, world->now_ns + ns);
	return *last_ns;
}

static void put(struct world *world, const struct entry *entry)
{
	if (entry->conn <= world->dead_conn || entry->conn <= world->sides[entry->side].deaf_conn)
		world->any_lost = true;
	else
		world_put(world, entry);
}

bool link_open(struct world *world)
{
	struct process *source = &world->sides[SOURCE], *destination = &world->sides[DESTINATION];
	struct entry start = { .kind = ENTRY_START, .side = DESTINATION };

	if (world->now_ns < world->net_down_until_ns || destination->host_dead)
		return false;
	start.conn = source->conn = ++world->last_conn;
	start.at_ns = arrival_ns(world, &destination->arrival_ns);
	put(world, &start);
	return true;
}

static void note_what_is_said(struct world *world, uint16_t type)
{
	world->loadable_sent |= type == FRAME_LOADABLE;
	world->ready_sent |= type == FRAME_READY;
	world->commit_sent |= type == FRAME_COMMIT;
	world->failed_sent |= type == FRAME_FAILED;
}

void link_send(struct world *world, enum side from, uint16_t type)
{
	struct process *to = &world->sides[side_other(from)];
	struct entry message = { .kind = ENTRY_MESSAGE, .side = side_other(from), .what = type };
	enum mode mode = inject_now(world, DOMAIN_MESSAGE);

	message.conn = world->sides[from].conn;
	if (mode == MODE_DROP_MESSAGE)
		link_cut(world, true, true);
	if (message.conn == NO_CONN)
		return;
	note_what_is_said(world, type);
	message.value = type == FRAME_RESUMED ? world->got_batches : world->sent_batches;
	message.phase = destination_resumed_phase(&world->destination);
	message.resume = from == SOURCE && world->source.was_lost;
	if (mode == MODE_SLOW_MESSAGE)
		to->arrival_ns = max_u64(to->arrival_ns, world->now_ns + rng_between(&world->rng, 0, STUCK_MAX_NS));
	message.at_ns = arrival_ns(world, &to->arrival_ns);
	put(world, &message);
	if (mode == MODE_TWICE_MESSAGE)
		put(world, &message);
}

/* On a connection that the engine has not been told of. */
void link_refuse(struct world *world, uint16_t conn)
{
	struct entry message = { .kind = ENTRY_MESSAGE, .side = SOURCE, .what = FRAME_REFUSE, .conn = conn };

	message.at_ns = arrival_ns(world, &world->sides[SOURCE].arrival_ns);
	put(world, &message);
}

void link_send_data(struct world *world, uint32_t mask, bool last)
{
	const struct process *source = &world->sides[SOURCE];
	struct entry data = { .kind = ENTRY_DATA, .side = DESTINATION, .conn = world->data_conn };
	struct batch *batch = &world->batches[world->sent_batches];

	if (world->sent_batches == WORLD_BATCHES - 1) {
		judge_violation(world, "more than %u batches are sent", WORLD_BATCHES);
		return;
	}
	data.value = world->sent_batches++;
	batch->mask = mask;
	batch->last = last;
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		batch->pages[i] = source->pages[i];
	for (unsigned i = 0; i < WORLD_DEVICES; i++)
		batch->devices[i] = source->devices[i];
	data.at_ns = arrival_ns(world, &world->sides[DESTINATION].data_ns);
	put(world, &data);
}

/* What is on the way to a side never comes. */
static void lose(struct world *world, enum side to, enum entry_kind kind)
{
	unsigned i = 0;

	while (i < world->nr_entries) {
		if (world->entries[i].side != to || world->entries[i].kind != kind) {
			i++;
			continue;
		}
		world_drop(world, i);
		world->any_lost = true;
	}
}

static void tell(struct world *world, enum side side, uint64_t at_ns)
{
	struct entry lost = { .kind = ENTRY_LOST, .side = side, .at_ns = at_ns };

	lost.conn = world->sides[side].conn;
	if (lost.conn != NO_CONN)
		world_put(world, &lost);
}

/* The other side notices, if it is of the same connection and the network lets it. */
void link_detach(struct world *world, enum side side)
{
	struct process *process = &world->sides[side], *peer = &world->sides[side_other(side)];
	uint16_t conn = process->conn;

	process->conn = NO_CONN;
	if (conn == NO_CONN || conn != peer->conn)
		return;
	if (conn <= world->dead_conn || conn <= peer->deaf_conn)
		return;
	if (rng_one_in(&world->rng, RESET_ONE_IN)) {
		lose(world, side_other(side), ENTRY_MESSAGE);
		lose(world, side_other(side), ENTRY_DATA);
	}
	tell(world, side_other(side), arrival_ns(world, &peer->arrival_ns));
}

void link_cut(struct world *world, bool tell_source, bool tell_destination)
{
	const bool told[NR_SIDES] = { tell_source, tell_destination };

	for (enum side side = SOURCE; side < NR_SIDES; side++) {
		if (rng_one_in(&world->rng, 2))
			lose(world, side, ENTRY_MESSAGE);
		if (rng_one_in(&world->rng, 2))
			lose(world, side, ENTRY_DATA);
		lose(world, side, ENTRY_START);
		if (told[side])
			tell(world, side, world->now_ns + rng_between(&world->rng, 0, NOTICE_MAX_NS));
	}
	world->any_lost = true;
	world->dead_conn = world->last_conn;
}

/* A session drops RESUMED and PREPARE of a connection that is no more; all else may be heard, for it stays true. */
static bool stays_true(const struct entry *entry)
{
	return entry->kind == ENTRY_MESSAGE && entry->what >= FRAME_LOADABLE && entry->what != FRAME_PREPARE &&
	       entry->what != FRAME_RESUMED;
}

void link_cut_late(struct world *world)
{
	uint64_t later_ns = rng_between(&world->rng, 0, LATE_MAX_NS); /* in order all the same */

	for (unsigned i = 0; i < world->nr_entries; i++) {
		struct entry *entry = &world->entries[i];

		if (!stays_true(entry))
			continue;
		entry->conn = ANY_CONN;
		entry->at_ns += later_ns;
	}
	lose(world, DESTINATION, ENTRY_START);
	tell(world, SOURCE, world->now_ns);
	tell(world, DESTINATION, world->now_ns);
	world->any_lost = true;
	world->dead_conn = world->last_conn;
}

/* A process that ends is like one that closes; a host that ends says nothing more. */
void link_kill(struct world *world, enum side side)
{
	struct process *process = &world->sides[side];

	process->host_dead = rng_one_in(&world->rng, 2);
	if (!process->host_dead)
		link_detach(world, side);
	process->alive = process->vcpus = false;
	process->conn = NO_CONN;
	process->dma = 0;
	process->closed = true;
	process->busy = 0;
	world->any_kill = true;
}
