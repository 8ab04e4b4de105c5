/* SPDX-License-Identifier: BSD-3-Clause */
/* The world: the queue of what happens when, and the two engines between their events and actions. */
#include "world.h"

#include "base/bits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STALL_NS      (1 * NS_PER_S)
#define DOWNTIME_NS   (300 * NS_PER_MS)
#define REPORT_MAX_NS (2 * NS_PER_MS)
#define TRY_AGAIN_NS  (5 * NS_PER_MS)

const char *side_name(enum side side)
{
	return side == SOURCE ? "source" : "destination";
}

void world_trace(const struct world *world, const char *fmt, ...)
{
	va_list args;

	if (!world->trace)
		return;
	printf("%12.3f ms  #%-4llu ", (double)world->now_ns / NS_PER_MS, (unsigned long long)world->nr_events);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

void world_init(struct world *world, const struct config *config, uint64_t seed, enum mode mode, uint64_t k)
{
	struct source_config source = {
		.downtime_limit_ns = DOWNTIME_NS,
		.stall_ns = STALL_NS,
		.max_rounds = config->max_rounds,
	};
	struct destination_config destination = { .stall_ns = STALL_NS };
	struct event start = { .type = EVENT_START };

	world->config = config;
	world->rng.state = seed * 1000003;
	world->guest_rng.state = ~seed;
	world->mode = mode;
	world->k = k;
	source_engine_init(&world->source, &source);
	destination_engine_init(&world->destination, &destination);
	world->sides[SOURCE] = (struct process){ .alive = true, .vcpus = true, .dma = config->nr_devices > 0 };
	world->sides[DESTINATION] = (struct process){ .alive = true };
	if (mode == MODE_TWICE) {
		world->second_mode = rng_between(&world->rng, MODE_CUT, MODE_TWICE - 1);
		world->second_k = rng_between(&world->rng, 1, 100);
	}
	world_feed(world, SOURCE, &start);
}

void world_put(struct world *world, const struct entry *entry)
{
	if (world->nr_entries == WORLD_ENTRIES) {
		judge_violation(world, "more than %u things are on the way", WORLD_ENTRIES);
		return;
	}
	world->entries[world->nr_entries] = *entry;
	world->entries[world->nr_entries++].number = world->next_number++;
}

static const char *outcome_name(enum gw_outcome outcome)
{
	static const char *const names[] = { "NONE", "COMPLETED", "ROLLED_BACK", "OWNER_UNKNOWN" };

	return names[outcome];
}

static uint64_t action_ns(struct world *world, enum action_type type)
{
	static const uint8_t arcs[NR_ACTION_TYPES] = {
		[ACTION_QUIESCE] = 1,      [ACTION_STOP] = 1, [ACTION_TAKE_BACK] = 2,
		[ACTION_PREPARE_LOAD] = 3, [ACTION_RUN] = 2,  [ACTION_FINISH_LOAD] = 1,
	};
	uint64_t ns = rng_between(&world->rng, 1, world->config->action_max_ns) + arcs[type] * world->config->arc_ns;

	if (type == ACTION_PREPARE_LOAD || type == ACTION_FINISH_LOAD)
		ns += world->config->load_ns;
	if (type == ACTION_RUN)
		ns += world->config->run_ns;
	return ns;
}

static void begin_action(struct world *world, enum side side, enum action_type type)
{
	struct process *process = &world->sides[side];
	struct entry entry = { .kind = ENTRY_EFFECT, .side = side, .what = type };

	effect_begin(world, side, type);
	process->busy |= 1u << type;
	if (inject_fails(world))
		process->to_fail |= 1u << type;
	entry.at_ns = world->now_ns + action_ns(world, type);
	world_put(world, &entry);
}

static void begin(struct world *world, enum side side, const struct action *action)
{
	struct process *process = &world->sides[side];

	world_trace(world, "  %s: %s %s", side_name(side), action_name(action->type),
		    action->type == ACTION_SEND     ? message_name(action->message)
		    : action->type == ACTION_FINISH ? outcome_name(action->outcome)
						    : "");
	switch (action->type) {
	case ACTION_SEND:
		if (inject_fails(world))
			link_cut(world);
		else
			link_send(world, side, action->message);
		break;
	case ACTION_CLOSE:
		link_close(world, side);
		break;
	case ACTION_FINISH:
		process->nr_finished++;
		process->finish = *action;
		break;
	default:
		begin_action(world, side, action->type);
		break;
	}
}

void world_feed(struct world *world, enum side side, struct event *event)
{
	struct actions out;

	if (!world->sides[side].alive)
		return;
	event->now_ns = world->now_ns;
	world_trace(world, "%s: %s %s%s", side_name(side), event_name(event->type),
		    event->message ? message_name(event->message->type) : "",
		    event->action ? action_name(event->action) : "");
	if (side == SOURCE)
		source_engine_step(&world->source, event, &out);
	else
		destination_engine_step(&world->destination, event, &out);
	for (unsigned i = 0; i < out.nr; i++)
		begin(world, side, &out.list[i]);
	judge_moment(world);
}

/* ---- what is due ---- */

static void do_effect(struct world *world, const struct entry *due)
{
	struct process *process = &world->sides[due->side];
	struct entry next = *due;

	if (!effect_happen(world, due->side, due->what)) {
		next.at_ns = world->now_ns + TRY_AGAIN_NS;
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

static void do_report(struct world *world, const struct entry *due)
{
	struct event event = { .type = due->failed ? EVENT_FAILED : EVENT_DONE, .action = due->what };

	if (due->failed)
		event.error.code = -EIO;
	else
		effect_result(world, due->what, &event);
	world_feed(world, due->side, &event);
}

static void do_message(struct world *world, const struct entry *due)
{
	static struct message message; /* large; but for a few fields it stays zero */
	struct event event = { .type = EVENT_MESSAGE, .message = &message };

	if (!world->sides[due->side].open)
		return;
	message.type = due->what;
	switch (due->what) {
	case FRAME_HELLO:
		message.hello = (struct message_hello){ .version_min = 1, .version_max = 1, .role = ROLE_CONTROL };
		break;
	case FRAME_WELCOME:
		message.welcome = (struct message_welcome){ .version = 1 };
		break;
	case FRAME_LOADABLE:
		message.loadable = (struct message_loadable){ .nr_devices = world->config->nr_devices };
		message.loadable.arc_ns[0] = world->config->arc_ns;
		break;
	case FRAME_FAILED:
		message.failed = (struct message_failed){ .code = -EIO };
		break;
	case FRAME_REFUSE:
		message.refuse.nr = 0;
		break;
	case FRAME_PREPARE:
		world->wanted_batches = due->batches;
		break;
	}
	world_feed(world, due->side, &event);
}

static void do_start(struct world *world, const struct entry *due)
{
	struct event event = { .type = EVENT_START };

	world->sides[due->side].open = true;
	if (world->destination.phase == DESTINATION_IDLE)
		world_feed(world, due->side, &event);
	else
		link_close(world, due->side); /* it has been cancelled and waits for nobody */
}

static void do_lost(struct world *world, const struct entry *due)
{
	struct event event = { .type = EVENT_PEER_LOST, .error.code = -EPIPE };

	if (world->sides[due->side].open)
		world_feed(world, due->side, &event);
}

static void do_data(struct world *world, const struct entry *due)
{
	struct process *destination = &world->sides[DESTINATION];

	if (!destination->open)
		return;
	world->got_batches++;
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		if (due->mask >> i & 1)
			destination->pages[i] = due->pages[i];
	if (due->last)
		memcpy(destination->devices, due->devices, sizeof(due->devices));
}

static void (*const happenings[])(struct world *world, const struct entry *due) = {
	[ENTRY_EFFECT] = do_effect, [ENTRY_REPORT] = do_report, [ENTRY_MESSAGE] = do_message,
	[ENTRY_START] = do_start,   [ENTRY_LOST] = do_lost,     [ENTRY_DATA] = do_data,
};

static unsigned next_entry(const struct world *world)
{
	unsigned next = 0;

	for (unsigned i = 1; i < world->nr_entries; i++) {
		const struct entry *a = &world->entries[i], *b = &world->entries[next];

		if (a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->number < b->number))
			next = i;
	}
	return next;
}

static uint64_t deadline_ns(const struct world *world, enum side side)
{
	uint64_t deadline = side == SOURCE ? world->source.deadline_ns : world->destination.deadline_ns;

	return world->sides[side].alive ? max_u64(deadline, world->now_ns) : DEADLINE_NEVER;
}

static void advance(struct world *world, uint64_t to_ns)
{
	world->now_ns = to_ns;
	effect_write(world);
	world->nr_events++;
	inject_at_event(world);
}

static void tick(struct world *world, enum side side)
{
	struct event event = { .type = EVENT_TICK };

	advance(world, deadline_ns(world, side));
	world_feed(world, side, &event);
}

bool world_step(struct world *world)
{
	enum side first = deadline_ns(world, SOURCE) <= deadline_ns(world, DESTINATION) ? SOURCE : DESTINATION;
	uint64_t deadline = deadline_ns(world, first);
	unsigned next = next_entry(world);
	struct entry due;

	if (!world->nr_entries && deadline == DEADLINE_NEVER)
		return false;
	if (!world->nr_entries || deadline < world->entries[next].at_ns) {
		tick(world, first);
		return true;
	}
	due = world->entries[next];
	world->entries[next] = world->entries[--world->nr_entries];
	advance(world, due.at_ns);
	if (world->sides[due.side].alive)
		happenings[due.kind](world, &due);
	return true;
}
