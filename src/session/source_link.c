/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's connection: made, dropped, made again. These jobs run on the link's worker, one at a time, and may wait
 * for the network; CLOSE ends each of them.
 */
#include "session/source.h"

#include "base/err.h"
#include "base/thread.h"

#include <errno.h>
#include <stdio.h>

#define CONNECT_NS   (3 * NS_PER_S)    /* one try to connect again: a lost SYN must not cost all the time there is */
#define TRY_AGAIN_NS (200 * NS_PER_MS) /* between two */

static bool is_closing(const struct gw_source *s)
{
	return __atomic_load_n(&s->closing, __ATOMIC_ACQUIRE);
}

/* In the receiver's own thread, which then says why it ended. */
static void lose_control(struct gw_source *s, uint16_t type)
{
	err_set(&s->core.control.lost.error, -EPROTO, "peer", "%s is about what was never sent", message_name(type));
	channel_shutdown(&s->core.control.channel);
}

/* Messages of the data plane. A peer that acknowledges what was never sent is lost, like one that sends no frames. */
static bool take_message(void *ctx, const struct message *message)
{
	struct gw_source *s = ctx;
	uint32_t nr = s->core.vm.nr_devices;

	switch (message->type) {
	case FRAME_GRANT:
		if (message->grant.device >= nr || saver_grant(&s->savers[message->grant.device], &message->grant))
			lose_control(s, message->type);
		return true;
	case FRAME_INITIAL_LOADED:
		if (message->initial_loaded.device < nr)
			saver_initial_loaded(&s->savers[message->initial_loaded.device],
					     message->initial_loaded.number);
		return true;
	default:
		return false;
	}
}

/* One try. */
static int connect_control(struct gw_source *s, uint64_t limit_ns, struct gw_error *e)
{
	struct control *control = &s->core.control;
	int ret = channel_connect(&control->channel, &s->address, &clock_monotonic,
				  clock_deadline_ns(&clock_monotonic, limit_ns), e);

	if (ret)
		return ret;
	control->channel.stall_ns = s->core.limits.stall_ns;
	ret = control_start(control, &s->core.mailbox, take_message, s);
	return ret ? err_set(e, ret, "control channel", "cannot start a thread") : 0;
}

/* While nothing has been begun: an arbiter that cannot be used is found before the guest depends on it. */
static int check_arbiter(struct gw_source *s, struct gw_error *e)
{
	struct gw_arbiter *arbiter = s->core.limits.arbiter;
	struct reason reason = { .code = REASON_ARBITER };
	struct gw_error error = GW_ERROR_NONE;
	uint64_t began_ns;
	int ret;

	if (!arbiter)
		return 0;
	ret = gw_arbiter_check(arbiter, &error);
	began_ns = clock_now_ns(&clock_monotonic);
	if (!ret)
		ret = gw_arbiter_announce(arbiter, s->hello.migration_id, &error);
	s->announce_ns = clock_now_ns(&clock_monotonic) - began_ns;
	if (!ret)
		return 0;
	snprintf(reason.where, sizeof(reason.where), "%s", error.where);
	snprintf(reason.what, sizeof(reason.what), "%s", error.what);
	core_add_blocker(&s->core, &reason);
	err_first(e, &error);
	return ret;
}

int source_do_connect(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	int ret = check_arbiter(s, e);

	return ret ? ret : connect_control(s, s->core.limits.stall_ns, e);
}

int source_do_open_data(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < s->core.limits.nr_channels; i++)
		ret = sender_start(&s->senders[i], &s->address, &s->hello, s->core.link, s->core.limits.stall_ns, e);
	return ret;
}

/* Joins all that uses the connection. What they have noted is void, and is read before anything is made anew. */
int source_do_detach(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;

	(void)e;
	channel_shutdown(&s->core.control.channel);
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++)
		channel_shutdown(&s->senders[i].channel);
	outbox_detach(&s->outbox);
	for (uint32_t i = 0; i < s->core.limits.nr_channels; i++)
		sender_stop(&s->senders[i]);
	control_stop(&s->core.control);
	return 0;
}

/* Nothing comes on the mailbox's side for so long, unless CLOSE ends the wait. */
static void wait_a_little(struct gw_source *s)
{
	uint64_t deadline_ns = clock_deadline_ns(&clock_monotonic, TRY_AGAIN_NS);

	pthread_mutex_lock(&s->closing_lock);
	while (!is_closing(s) && !thread_cond_wait_until(&s->closing_changed, &s->closing_lock, deadline_ns))
		;
	pthread_mutex_unlock(&s->closing_lock);
}

/*
 * A new control channel, for as long as it takes. Refused: the process is not there any more, and will not be again.
 * The time limit is the engine's, by CLOSE.
 */
int source_do_reconnect(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	int ret;

	control_reset(&s->core.control, s->core.link);
	while (!is_closing(s)) {
		struct gw_error error = GW_ERROR_NONE;

		ret = connect_control(s, CONNECT_NS, &error);
		if (!ret)
			return 0;
		if (ret == -ECONNREFUSED || ret == -ENOENT || ret == -ENOMEM) {
			err_first(e, &error);
			return ret;
		}
		wait_a_little(s);
	}
	return err_set(e, -ECANCELED, "control channel", "connecting again was given up");
}

static int bad_resumed(struct gw_error *e, const char *where)
{
	return err_set(e, -EPROTO, where, "what the peer says it has is not what was sent");
}

/* What did not arrive is dirty, or waits to be sent, again. */
static int rewind_all(struct gw_source *s, struct gw_error *e)
{
	const struct message_resumed *m = s->resumed;
	uint32_t nr = s->core.limits.nr_channels;

	if (!m)
		return err_set(e, -ENOMEM, "session", "no memory for RESUMED");
	if (m->nr_channels != nr || m->nr_devices != s->core.vm.nr_devices)
		return bad_resumed(e, "peer");
	for (uint32_t i = 0; i < nr; i++)
		if (flight_rewind(&s->senders[i].flight, m->ram_frames[i], i, nr, &s->dirty))
			return bad_resumed(e, s->senders[i].channel.name);
	return 0;
}

int source_do_rejoin(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	int ret = rewind_all(s, e);

	for (uint32_t i = 0; !ret && i < s->core.limits.nr_channels; i++)
		channel_reopen(&s->senders[i].channel);
	if (!ret && is_closing(s))
		return err_set(e, -ECANCELED, "session", "connecting again was given up");
	if (ret)
		return ret;
	outbox_attach(&s->outbox);
	for (uint32_t i = 0; i < s->core.vm.nr_devices; i++)
		if (saver_rejoin(&s->savers[i], &s->resumed->devices[i]))
			return bad_resumed(e, gw_device_id(s->core.devices[i]));
	return source_do_open_data(s, e);
}
