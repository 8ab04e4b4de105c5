/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The source's jobs on the VM's worker: what calls the VMM back. One runs at a time, in the order they were begun, so
 * a VM's callbacks are never called two at once.
 */
#include "session/source.h"

#include "base/bitmap.h"
#include "base/err.h"
#include "memory/page_digest.h"
#include "session/needs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int source_do_ask_needs(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;

	return needs_ask(&s->core.vm, &s->needs, &s->nr_needs, e);
}

int source_do_track_start(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	int ret = s->core.vm.ops->dirty_start(s->core.vm.ctx, e);

	s->logging = !ret;
	return ret;
}

int source_do_sync(void *ctx, struct gw_error *e)
{
	uint64_t began_ns = clock_now_ns(&clock_monotonic);
	struct gw_source *s = ctx;
	int ret = 0;

	for (uint32_t i = 0; !ret && i < s->core.ram.nr_blocks; i++) {
		memset(s->bitmap, 0, bitmap_words(ram_block_pages(&s->core.ram, i)) * sizeof(uint64_t));
		ret = s->core.vm.ops->dirty_sync(s->core.vm.ctx, i, s->bitmap, e);
		if (!ret)
			dirty_merge(&s->dirty, i, s->bitmap);
	}
	recent_add(&s->vcpu_sync, clock_now_ns(&clock_monotonic) - began_ns);
	recent_add(&s->pickup, began_ns - s->core.parts[ACTION_SYNC].began_ns);
	return ret;
}

int source_do_pause(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;

	return s->core.vm.ops->pause(s->core.vm.ctx, e);
}

int source_do_unpause(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	return s->core.vm.ops->resume(s->core.vm.ctx, e);
}

int source_do_throttle(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;

	s->throttled = true;
	return s->core.vm.ops->throttle(s->core.vm.ctx, s->throttle_to, e);
}

int source_do_decide(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	int ret = core_pass_point_of_no_return(&s->core);

	if (ret)
		err_first(e, &s->core.cancel.error); /* written before it was cancelled, and once */
	return ret ? err_set(e, ret, "", "cancelled") : 0;
}

/* A connection that breaks here is told of by its own thread; what was lost with it is sent again. */
static int send_vm_state(struct gw_source *s, struct gw_error *e)
{
	struct message message = {
		.type = FRAME_VM_STATE,
		.vm_state = { .bytes = s->vm_state, .nr_bytes = (uint32_t)s->nr_vm_state },
	};
	uint64_t link; /* of the control channel: the session's own is ahead of it while a connection is given up */
	int ret = control_send_on(&s->core.control, &message, &link, NULL);

	if (ret == -ENOMEM)
		return err_set(e, ret, "VM", "no memory to send the VM's state");
	if (!ret)
		__atomic_store_n(&s->vm_sent_link, link, __ATOMIC_RELEASE);
	return 0;
}

/* The VM's own state: saved, sent, kept until its digest has been compared, and for a connection that breaks. */
int source_do_save_vm(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	size_t room = 64 * KIB;
	ssize_t n;

	if (s->vm_state)
		return send_vm_state(s, e); /* of a guest that has been paused ever since */
	for (;;) {
		free(s->vm_state);
		s->vm_state = malloc(room);
		if (!s->vm_state)
			return err_set(e, -ENOMEM, "VM", "no memory for the VM's state");
		n = s->core.vm.ops->state_save(s->core.vm.ctx, s->vm_state, room, e);
		if (n < 0)
			return (int)n;
		if ((size_t)n <= room)
			break;
		if ((size_t)n > LIMIT_VM_STATE_BYTES)
			return err_set(e, -EMSGSIZE, "VM", "the VM's state is %zd bytes; at most %llu can be sent", n,
				       LIMIT_VM_STATE_BYTES);
		room = (size_t)n;
	}
	s->nr_vm_state = (size_t)n;
	s->vm_state_digest = XXH3_64bits(s->vm_state, s->nr_vm_state);
	return send_vm_state(s, e);
}

void source_let_go(struct gw_source *s)
{
	if (s->logging)
		s->core.vm.ops->dirty_stop(s->core.vm.ctx);
	s->logging = false;
	if (s->throttled)
		s->core.vm.ops->throttle(s->core.vm.ctx, 0, NULL);
	s->throttled = false;
}

int source_do_take_back(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	int ret;

	source_let_go(s);
	if (!s->engine.paused)
		return 0;
	ret = s->core.vm.ops->resume(s->core.vm.ctx, e);
	s->blackout.resumed_ns = clock_now_ns(&clock_monotonic);
	return ret;
}

/* The guest is gone and nothing writes here any more: the time to hash what it was, outside of its downtime. */
int source_do_release(void *ctx, struct gw_error *e)
{
	struct gw_source *s = ctx;
	struct page_digest digest;

	source_let_go(s);
	if (!(s->hello.features & HELLO_VERIFY))
		return 0;
	if (page_digest_init(&digest, &s->core.ram))
		return err_set(e, -ENOMEM, "verify", "no memory for the page digests");
	for (uint64_t chunk = 0; chunk < s->core.ram.nr_chunks; chunk++)
		page_digest_range(&digest, chunk);
	s->ram_digest = page_digest_total(&digest);
	page_digest_fini(&digest);
	return 0;
}
