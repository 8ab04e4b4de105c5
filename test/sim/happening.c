/* SPDX-License-Identifier: BSD-3-Clause */
/* What is due: an action has its effect or is reported, a message or data arrives, a side learns of a loss. */
#include "world.h"

#include <errno.h>
#include <string.h>

#define REPORT_MAX_NS (2 * NS_PER_MS)
#define TRY_AGAIN_NS  (20 * NS_PER_MS)
#define TRY_LATER_NS  (300 * NS_PER_MS) /* without a connection */
#define RECONNECT_MS  6000

static void do_effect(struct world *world, const struct entry *due)
{
	struct process *process = &world->sides[due->side];
	struct entry next = *due;

	if (!effect_happen(world, due->side, due->what, &next.value)) {
		next.at_ns = world->now_ns + (process->conn == NO_CONN ? TRY_LATER_NS : TRY_AGAIN_NS);
		world_put(world, &next);
		return;
	}
	next.kind = ENTRY_REPORT;
	next.failed = process->to_fail >> due->what & 1;
	next.at_ns = world->now_ns + rng_between(&world->rng, 0, REPORT_MAX_NS);
	process->busy &= ~(1u << due->what);
	process->to_fail &= ~(1u << due->what);
	world_put(world, &next);
}

static void report(struct world *world, const struct entry *due)
{
	struct event event = { .type = due->failed ? EVENT_FAILED : EVENT_DONE, .action = due->what };

	if (due->failed)
		event.error.code = due->value ? -(int)due->value : -EIO;
	else
		effect_result(world, due->what, due->value, &event);
	world_feed(world, due->side, &event);
}

static void do_report(struct world *world, const struct entry *due)
{
	bool twice = inject_now(world, DOMAIN_REPORT) == MODE_TWICE_REPORT;

	report(world, due);
	if (twice)
		report(world, due);
}

/* A FINISH_LOAD that waits for what never came begins anew with the next PREPARE. */
static void reset_finish_load(struct world *world)
{
	struct process *destination = &world->sides[DESTINATION];

	destination->busy &= ~(1u << ACTION_FINISH_LOAD);
	destination->to_fail &= ~(1u << ACTION_FINISH_LOAD);
	for (unsigned i = 0; i < world->nr_entries; i++) {
		const struct entry *entry = &world->entries[i];

		if (entry->kind == ENTRY_EFFECT && entry->side == DESTINATION && entry->what == ACTION_FINISH_LOAD) {
			world_drop(world, i);
			return;
		}
	}
}

/* The destination's session: a source of this migration, on a connection younger than any before, or none of ours. */
static void come_back(struct world *world, uint16_t conn)
{
	struct process *destination = &world->sides[DESTINATION];
	struct event event = { .type = EVENT_REJOINED, .has_all = effect_has_all(world) };

	if (conn <= destination->conn || conn != world->last_conn)
		return;
	if (world->destination.phase < DESTINATION_LOADING) {
		link_refuse(world, conn);
		return;
	}
	destination->conn = conn;
	destination->closed = false;
	if (world->destination.phase == DESTINATION_FINISHING && !event.has_all)
		reset_finish_load(world);
	world_feed(world, DESTINATION, &event);
}

static void fill(struct world *world, const struct entry *due, struct message *message)
{
	static const uint32_t features[] = {
		[DRY_RUN_MANIFEST] = HELLO_DRY_RUN, [DRY_RUN_REHEARSAL] = HELLO_REHEARSAL
	};

	message->type = due->what;
	switch (due->what) {
	case FRAME_HELLO:
		message->hello = (struct message_hello){ .version_min = 1, .version_max = 1, .role = ROLE_CONTROL };
		message->hello.features = features[world->config->dry_run];
		message->hello.reconnect_ms = world->config->reconnect ? RECONNECT_MS : 0;
		break;
	case FRAME_WELCOME:
		message->welcome = (struct message_welcome){ .version = 1 };
		break;
	case FRAME_LOADABLE:
		message->loadable.nr_devices = world->config->nr_devices;
		message->loadable.arc_ns[0] = world->config->arc_ns;
		break;
	case FRAME_FAILED:
		message->failed.code = -EIO;
		message->failed.where[0] = message->failed.what[0] = 0;
		break;
	case FRAME_REFUSE:
		message->refuse.nr = 0;
		break;
	case FRAME_PREPARE:
		world->wanted_batches = due->value;
		break;
	case FRAME_RESUMED:
		world->resumed_batches = due->value;
		message->resumed.phase = due->phase;
		break;
	}
}

static void do_message(struct world *world, const struct entry *due)
{
	static struct message message; /* large; but for a few fields it stays zero */
	struct event event = { .type = EVENT_MESSAGE, .message = &message };

	if (due->what == FRAME_HELLO && due->resume) {
		come_back(world, due->conn);
		return;
	}
	if (due->conn != ANY_CONN && due->conn != world->sides[due->side].conn)
		return;
	fill(world, due, &message);
	world_feed(world, due->side, &event);
}

static void do_start(struct world *world, const struct entry *due)
{
	struct process *destination = &world->sides[DESTINATION];
	struct event event = { .type = EVENT_START };
	struct entry lost = { .kind = ENTRY_LOST, .side = SOURCE, .conn = due->conn, .at_ns = world->now_ns };

	if (world->source.was_lost)
		return; /* its HELLO says what it wants */
	if (world->destination.phase != DESTINATION_IDLE) {
		world_put(world, &lost); /* it has been cancelled and waits for nobody */
		return;
	}
	destination->conn = due->conn;
	world_feed(world, DESTINATION, &event);
}

static void do_lost(struct world *world, const struct entry *due)
{
	struct event event = { .type = EVENT_PEER_LOST, .error.code = -EPIPE };

	if (world->sides[due->side].conn == due->conn)
		world_feed(world, due->side, &event);
}

static void do_data(struct world *world, const struct entry *due)
{
	struct process *destination = &world->sides[DESTINATION];
	const struct batch *batch = &world->batches[due->value];

	if (destination->conn != due->conn)
		return;
	world->got_batches = due->value + 1;
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		if (batch->mask >> i & 1)
			destination->pages[i] = batch->pages[i];
	if (batch->last)
		memcpy(destination->devices, batch->devices, sizeof(batch->devices));
}

void happening_run(struct world *world, const struct entry *due)
{
	static void (*const happenings[])(struct world * world, const struct entry *due) = {
		[ENTRY_EFFECT] = do_effect, [ENTRY_REPORT] = do_report, [ENTRY_MESSAGE] = do_message,
		[ENTRY_START] = do_start,   [ENTRY_LOST] = do_lost,     [ENTRY_DATA] = do_data,
	};

	happenings[due->kind](world, due);
}
