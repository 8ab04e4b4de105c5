/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arbiter's seam: making one out of a table, and its calls with arguments and answers checked. An answer that a
 * side may act on is 0 or -EBUSY and nothing else, so whatever is neither that nor an errno is turned into one here.
 */
#include "arbiter/arbiter_file.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/export.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define WHERE       "arbiter"
#define FILE_SCHEME "file:"

struct gw_arbiter {
	struct gw_arbiter_ops ops; /* a copy; entries that the caller's table does not reach are NULL */
	void *ctx;                 /* the back end's own, ended by ops.close */
};

GW_EXPORT int gw_arbiter_from_ops(struct gw_arbiter **arbiter, const struct gw_arbiter_ops *ops, void *ctx,
				  struct gw_error *e)
{
	struct gw_arbiter *new;

	*arbiter = NULL;
	if (!ops || ops->size < offsetof(struct gw_arbiter_ops, claim) + sizeof(ops->claim))
		return err_set(e, -EINVAL, WHERE, "the arbiter's table is missing, or its size is not set");
	if (!ops->check || !ops->claim)
		return err_set(e, -EINVAL, WHERE, "the arbiter's table lacks check or claim");
	new = calloc(1, sizeof(*new));
	if (!new)
		return err_set(e, -ENOMEM, WHERE, "no memory");
	memcpy(&new->ops, ops, min_u64(ops->size, sizeof(new->ops)));
	new->ctx = ctx;
	*arbiter = new;
	return 0;
}

GW_EXPORT int gw_arbiter_open(struct gw_arbiter **arbiter, const char *uri, struct gw_error *e)
{
	size_t scheme = strlen(FILE_SCHEME);
	void *ctx;
	int ret;

	*arbiter = NULL;
	if (!uri || strncmp(uri, FILE_SCHEME, scheme) || !uri[scheme])
		return err_set(e, -EINVAL, WHERE, "an arbiter is file:DIR, not %s", uri && *uri ? uri : "nothing");
	ret = arbiter_file_open(&ctx, uri + scheme, e);
	if (ret)
		return ret;
	ret = gw_arbiter_from_ops(arbiter, &arbiter_file_ops, ctx, e);
	if (ret)
		arbiter_file_ops.close(ctx);
	return ret;
}

GW_EXPORT void gw_arbiter_close(struct gw_arbiter *arbiter)
{
	if (!arbiter)
		return;
	if (arbiter->ops.close)
		arbiter->ops.close(arbiter->ctx);
	free(arbiter);
}

/* What a table answered, as a caller may have it: 0 or -errno, and a sentence if the table wrote none. */
static int answer(int ret, const char *call, struct gw_error *e)
{
	if (ret > 0)
		return err_set(e, -EPROTO, WHERE, "%s was answered by %d, which means nothing", call, ret);
	return ret ? err_set(e, ret, WHERE, "%s failed: %s", call, strerror(-ret)) : 0;
}

GW_EXPORT int gw_arbiter_check(struct gw_arbiter *arbiter, struct gw_error *e)
{
	return answer(arbiter->ops.check(arbiter->ctx, e), "the check of the arbiter", e);
}

static int judge_id(const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	static const uint8_t unset[GW_ARBITER_ID_BYTES];

	if (!id || !memcmp(id, unset, sizeof(unset)))
		return err_set(e, -EINVAL, WHERE, "the arbiter is asked without a migration's id");
	return 0;
}

GW_EXPORT int gw_arbiter_claim(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES], enum gw_side side,
			       struct gw_error *e)
{
	int ret;

	if (side != GW_SIDE_SOURCE && side != GW_SIDE_DESTINATION)
		return err_set(e, -EINVAL, WHERE, "%d is no side that could claim a migration", (int)side);
	ret = judge_id(id, e);
	return ret ? ret : answer(arbiter->ops.claim(arbiter->ctx, id, side, e), "the claim", e);
}

GW_EXPORT int gw_arbiter_give_back(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES],
				   struct gw_error *e)
{
	int ret = judge_id(id, e);

	if (ret)
		return ret;
	if (!arbiter->ops.give_back)
		return err_set(e, -EOPNOTSUPP, WHERE, "what was claimed from this arbiter cannot be given back");
	return answer(arbiter->ops.give_back(arbiter->ctx, id, e), "giving the claim back", e);
}

GW_EXPORT int gw_arbiter_announce(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	int ret = judge_id(id, e);

	if (ret || !arbiter->ops.announce)
		return ret;
	return answer(arbiter->ops.announce(arbiter->ctx, id, e), "the announcement at the arbiter", e);
}

GW_EXPORT int gw_arbiter_meet(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	int ret = judge_id(id, e);

	if (ret || !arbiter->ops.meet)
		return ret;
	return answer(arbiter->ops.meet(arbiter->ctx, id, e), "meeting the source at the arbiter", e);
}
