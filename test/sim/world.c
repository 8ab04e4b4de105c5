/* SPDX-License-Identifier: BSD-3-Clause */
/* The world: the queue of what happens when, and the two engines between their events and actions. */
#include "world.h"

#include "base/bits.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define STALL_NS       (1 * NS_PER_S)
#define RECONNECT_NS   (6 * NS_PER_S)
#define DOWNTIME_NS    (300 * NS_PER_MS)
#define SLOW_ACTION_NS (2 * NS_PER_S)
#define SLOW_SPREAD_NS (6 * NS_PER_S)

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

static void init_engines(struct world *world)
{
	const struct config *config = world->config;
	struct source_config source = {
		.downtime_limit_ns = DOWNTIME_NS,
		.stall_ns = STALL_NS,
		.reconnect_ns = config->reconnect ? RECONNECT_NS : 0,
		.max_rounds = config->max_rounds,
		.no_converge = config->no_converge,
		.can_throttle = true,
		.dry_run = config->dry_run,
		.arbiter = config->arbiter,
	};
	struct destination_config destination = { .stall_ns = STALL_NS, .arbiter = config->arbiter };

	source_engine_init(&world->source, &source);
	destination_engine_init(&world->destination, &destination);
}

/* world->config is set by the caller and stays. */
void world_init(struct world *world, const struct plan *plan, bool trace)
{
	const struct config *config = world->config;
	struct event start = { .type = EVENT_START };

	memset(world, 0, offsetof(struct world, entries));
	world->config = config;
	world->plan = *plan;
	world->trace = trace;
	world->rng.state = plan->seed * 1000003;
	world->guest_rng.state = ~plan->seed;
	world->curable = true;
	world->nr_rearms = config->nr_rearms;
	init_engines(world);
	world->sides[SOURCE].alive = world->sides[SOURCE].vcpus = true;
	world->sides[SOURCE].dma = (1u << config->nr_devices) - 1;
	world->sides[DESTINATION].alive = true;
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

void world_drop(struct world *world, unsigned entry)
{
	world->entries[entry] = world->entries[--world->nr_entries];
}

static const char *outcome_name(enum gw_outcome outcome)
{
	static const char *const names[] = { "NONE", "COMPLETED", "ROLLED_BACK", "OWNER_UNKNOWN" };

	return names[outcome];
}

static uint64_t action_ns(struct world *world, enum action_type type)
{
	static const uint8_t arcs[NR_ACTION_TYPES] = {
		[ACTION_QUIESCE] = 1,      [ACTION_STOP] = 1, [ACTION_TAKE_BACK] = 2,   [ACTION_UNPAUSE] = 1,
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
	enum mode mode;

	effect_begin(world, side, type);
	process->busy |= 1u << type;
	mode = inject_now(world, DOMAIN_ACTION);
	if (mode == MODE_FAIL_ACTION) {
		process->to_fail |= 1u << type;
		world->any_run_failed |= type == ACTION_RUN || type == ACTION_GIVE_BACK;
	}
	entry.at_ns = world->now_ns + action_ns(world, type);
	if (mode == MODE_SLOW_ACTION)
		entry.at_ns += rng_between(&world->rng, SLOW_ACTION_NS, SLOW_ACTION_NS + SLOW_SPREAD_NS);
	world_put(world, &entry);
}

static void finish(struct world *world, enum side side, const struct action *action)
{
	struct process *process = &world->sides[side];

	judge_finish(world, side);
	process->nr_finished++;
	process->finished_as = action->outcome;
	process->finish_code = action->error.code;
}

static void begin(struct world *world, enum side side, const struct action *action)
{
	world_trace(world, "  %s: %s %s", side_name(side), action_name(action->type),
		    action->type == ACTION_SEND     ? message_name(action->message)
		    : action->type == ACTION_FINISH ? outcome_name(action->outcome)
						    : "");
	switch (action->type) {
	case ACTION_SEND:
		judge_send(world, side, action->message);
		link_send(world, side, action->message);
		break;
	case ACTION_CLOSE:
		world->sides[side].closed = true;
		link_detach(world, side);
		break;
	case ACTION_DETACH:
		link_detach(world, side);
		break;
	case ACTION_FINISH:
		finish(world, side, action);
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

/* ---- time ---- */

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

/* One who has ended, and asks an arbiter that never answers again, would keep the world going for ever. */
static bool asks_in_vain(const struct world *world, enum side side)
{
	return arbiter_is_mute_for_ever(world, side) &&
	       (side == SOURCE ? world->source.phase == SOURCE_ENDED : world->destination.phase == DESTINATION_ENDED);
}

static uint64_t deadline_ns(const struct world *world, enum side side)
{
	uint64_t deadline = side == SOURCE ? world->source.deadline_ns : world->destination.deadline_ns;

	if (deadline == DEADLINE_NEVER || !world->sides[side].alive || asks_in_vain(world, side))
		return DEADLINE_NEVER;
	return max_u64(deadline, world->now_ns);
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
	world_drop(world, next);
	advance(world, due.at_ns);
	if (world->sides[due.side].alive)
		happening_run(world, &due);
	return true;
}
