/* SPDX-License-Identifier: BSD-3-Clause */
/* A cell with a lock. */
#include "fake_arbiter.h"

#include <errno.h>
#include <stdio.h>

static int fail(struct gw_error *e, int code, const char *what)
{
	if (e && !e->code) {
		e->code = code;
		snprintf(e->where, sizeof(e->where), "arbiter");
		snprintf(e->what, sizeof(e->what), "%s", what);
	}
	return code;
}

static int check(void *ctx, struct gw_error *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

static int claim(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], enum gw_side side, struct gw_error *e)
{
	struct fake_arbiter *fake = ctx;
	int ret = 0;

	(void)id;
	pthread_mutex_lock(&fake->lock);
	if (fake->away > 0) {
		fake->away--;
		ret = fail(e, -ETIMEDOUT, "it does not answer");
	} else if (!fake->owner) {
		fake->owner = side;
	} else if (fake->owner != side) {
		fake->told_source |= side == GW_SIDE_SOURCE;
		ret = fail(e, -EBUSY, "it is the other side's");
	}
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static int give_back(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	struct fake_arbiter *fake = ctx;
	int ret = 0;

	(void)id;
	pthread_mutex_lock(&fake->lock);
	if (fake->told_source)
		ret = fail(e, -EBUSY, "the source has let go");
	else
		fake->owner = GW_SIDE_SOURCE;
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static const struct gw_arbiter_ops ops = {
	.size = sizeof(ops), .check = check, .claim = claim, .give_back = give_back
};

void fake_arbiter_open(struct fake_arbiter *fake)
{
	*fake = (struct fake_arbiter){ .lock = PTHREAD_MUTEX_INITIALIZER };
	gw_arbiter_from_ops(&fake->arbiter, &ops, fake, NULL);
}

void fake_arbiter_close(struct fake_arbiter *fake)
{
	gw_arbiter_close(fake->arbiter);
	pthread_mutex_destroy(&fake->lock);
}
