/* SPDX-License-Identifier: BSD-3-Clause */
/* The arbiter's seam: what is asked of a table, and what of its answers goes on to the caller. */
#include "base/bits.h"

#include <godwit/arbiter.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t id[GW_ARBITER_ID_BYTES] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

/* A store of the caller's own. */
struct store {
	int ret;
	const char *sentence; /* NULL: it writes none */
	unsigned nr_checks, nr_claims, nr_closes, nr_give_backs, nr_announcements, nr_meetings;
	enum gw_side side;
	uint8_t id[GW_ARBITER_ID_BYTES];
};

static int say(const struct store *store, struct gw_error *e)
{
	if (e && store->sentence) {
		e->code = store->ret;
		snprintf(e->what, sizeof(e->what), "%s", store->sentence);
	}
	return store->ret;
}

static int store_check(void *ctx, struct gw_error *e)
{
	struct store *store = ctx;

	store->nr_checks++;
	return say(store, e);
}

static int store_claim(void *ctx, const uint8_t claimed[GW_ARBITER_ID_BYTES], enum gw_side side, struct gw_error *e)
{
	struct store *store = ctx;

	store->nr_claims++;
	store->side = side;
	memcpy(store->id, claimed, sizeof(store->id));
	return say(store, e);
}

static void store_close(void *ctx)
{
	((struct store *)ctx)->nr_closes++;
}

static int store_id(struct store *store, unsigned *nr_calls, const uint8_t called[GW_ARBITER_ID_BYTES],
		    struct gw_error *e)
{
	++*nr_calls;
	memcpy(store->id, called, sizeof(store->id));
	return say(store, e);
}

static int store_give_back(void *ctx, const uint8_t called[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	return store_id(ctx, &((struct store *)ctx)->nr_give_backs, called, e);
}

static int store_announce(void *ctx, const uint8_t called[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	return store_id(ctx, &((struct store *)ctx)->nr_announcements, called, e);
}

static int store_meet(void *ctx, const uint8_t called[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	return store_id(ctx, &((struct store *)ctx)->nr_meetings, called, e);
}

static const struct gw_arbiter_ops store_ops = {
	.size = sizeof(store_ops),
	.check = store_check,
	.claim = store_claim,
	.close = store_close,
	.give_back = store_give_back,
	.announce = store_announce,
	.meet = store_meet,
};

/* The calls that take an id and nothing else. */
static int (*const id_calls[])(struct gw_arbiter *arbiter, const uint8_t called[GW_ARBITER_ID_BYTES],
			       struct gw_error *e) = {
	gw_arbiter_give_back,
	gw_arbiter_announce,
	gw_arbiter_meet,
};

static void assert_id_calls(const struct store *store, unsigned give_backs, unsigned announcements, unsigned meetings)
{
	assert_int_equal(store->nr_give_backs, give_backs);
	assert_int_equal(store->nr_announcements, announcements);
	assert_int_equal(store->nr_meetings, meetings);
}

static struct gw_arbiter *open_store(struct store *store)
{
	struct gw_arbiter *arbiter;

	assert_int_equal(gw_arbiter_from_ops(&arbiter, &store_ops, store, NULL), 0);
	return arbiter;
}

static void calls_reach_the_table(void **state)
{
	struct store store = { 0 };
	struct gw_arbiter *arbiter = open_store(&store);

	assert_int_equal(gw_arbiter_check(arbiter, NULL), 0);
	assert_int_equal(store.nr_checks, 1);
	assert_int_equal(gw_arbiter_claim(arbiter, id, GW_SIDE_DESTINATION, NULL), 0);
	assert_int_equal(store.nr_claims, 1);
	assert_int_equal(store.side, GW_SIDE_DESTINATION);
	assert_memory_equal(store.id, id, sizeof(id));
	for (unsigned i = 0; i < ARRAY_SIZE(id_calls); i++) {
		memset(store.id, 0, sizeof(store.id));
		assert_int_equal(id_calls[i](arbiter, id, NULL), 0);
		assert_memory_equal(store.id, id, sizeof(id));
		assert_id_calls(&store, 1, i >= 1, i >= 2);
	}
	assert_int_equal(store.nr_claims, 1);
	gw_arbiter_close(arbiter);
	assert_int_equal(store.nr_closes, 1);
	gw_arbiter_close(NULL);
}

static const struct answer {
	int given, got;
	const char *sentence, *what; /* written by the store; what the caller's record says */
} answers[] = {
	{ -EBUSY, -EBUSY, "the other one has it", "the other one has it" },
	{ -EHOSTUNREACH, -EHOSTUNREACH, "no quorum", "no quorum" },
	{ -EHOSTUNREACH, -EHOSTUNREACH, NULL, "No route to host" },
	{ -EBUSY, -EBUSY, NULL, "busy" },
	{ 1, -EPROTO, NULL, "means nothing" },
	{ EBUSY, -EPROTO, NULL, "means nothing" },
};

static void answers_are_passed_on(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(answers); i++) {
		const struct answer *a = &answers[i];
		struct store store = { .ret = a->given, .sentence = a->sentence };
		struct gw_error checked = GW_ERROR_NONE, claimed = GW_ERROR_NONE;
		struct gw_arbiter *arbiter = open_store(&store);

		assert_int_equal(gw_arbiter_check(arbiter, &checked), a->got);
		assert_int_equal(checked.code, a->got);
		assert_non_null(strstr(checked.what, a->what));
		assert_int_equal(gw_arbiter_claim(arbiter, id, GW_SIDE_SOURCE, &claimed), a->got);
		assert_int_equal(claimed.code, a->got);
		assert_non_null(strstr(claimed.what, a->what));
		assert_int_equal(gw_arbiter_claim(arbiter, id, GW_SIDE_SOURCE, NULL), a->got);
		for (unsigned call = 0; call < ARRAY_SIZE(id_calls); call++) {
			struct gw_error e = GW_ERROR_NONE;

			assert_int_equal(id_calls[call](arbiter, id, &e), a->got);
			assert_int_equal(e.code, a->got);
			assert_non_null(strstr(e.what, a->what));
			assert_int_equal(id_calls[call](arbiter, id, NULL), a->got);
		}
		gw_arbiter_close(arbiter);
	}
}

static void a_senseless_call_does_not_reach_the_table(void **state)
{
	static const uint8_t unset[GW_ARBITER_ID_BYTES];
	struct store store = { 0 };
	struct gw_arbiter *arbiter = open_store(&store);

	assert_int_equal(gw_arbiter_claim(arbiter, id, (enum gw_side)0, NULL), -EINVAL);
	assert_int_equal(gw_arbiter_claim(arbiter, id, (enum gw_side)3, NULL), -EINVAL);
	assert_int_equal(gw_arbiter_claim(arbiter, NULL, GW_SIDE_SOURCE, NULL), -EINVAL);
	assert_int_equal(gw_arbiter_claim(arbiter, unset, GW_SIDE_SOURCE, NULL), -EINVAL);
	assert_int_equal(store.nr_claims, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(id_calls); i++) {
		struct gw_error e = GW_ERROR_NONE;

		assert_int_equal(id_calls[i](arbiter, NULL, NULL), -EINVAL);
		assert_int_equal(id_calls[i](arbiter, unset, &e), -EINVAL);
		assert_int_equal(e.code, -EINVAL);
	}
	assert_id_calls(&store, 0, 0, 0);
	gw_arbiter_close(arbiter);
}

static void a_table_that_lacks_a_call_is_refused(void **state)
{
	struct gw_arbiter_ops ops[] = { store_ops, store_ops, store_ops, store_ops };
	struct store store = { 0 };
	struct gw_arbiter *arbiter;

	ops[0].size = 0;
	ops[1].size = offsetof(struct gw_arbiter_ops, claim);
	ops[2].check = NULL;
	ops[3].claim = NULL;
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		arbiter = (struct gw_arbiter *)&store;
		assert_int_equal(gw_arbiter_from_ops(&arbiter, &ops[i], &store, NULL), -EINVAL);
		assert_null(arbiter);
	}
	assert_int_equal(gw_arbiter_from_ops(&arbiter, NULL, &store, NULL), -EINVAL);
	assert_int_equal(store.nr_closes, 0); /* what did not become an arbiter stays the caller's */
}

static void what_lies_beyond_the_tables_size_is_not_read(void **state)
{
	struct gw_arbiter_ops ops = store_ops;
	struct store store = { 0 };
	struct gw_arbiter *arbiter;

	ops.size = offsetof(struct gw_arbiter_ops, close);
	assert_int_equal(gw_arbiter_from_ops(&arbiter, &ops, &store, NULL), 0);
	ops.claim = NULL; /* and it was copied */
	assert_int_equal(gw_arbiter_claim(arbiter, id, GW_SIDE_SOURCE, NULL), 0);
	gw_arbiter_close(arbiter);
	assert_int_equal(store.nr_closes, 0);
}

/* Left out by NULL, or by a size of a time that did not know them. */
static const struct lacking {
	size_t size;
	bool give_back, announce, meet;
} lacking[] = {
	{ sizeof(store_ops), false, true, true },
	{ sizeof(store_ops), true, false, true },
	{ sizeof(store_ops), true, true, false },
	{ offsetof(struct gw_arbiter_ops, give_back), false, false, false },
	{ offsetof(struct gw_arbiter_ops, announce), true, false, false },
	{ offsetof(struct gw_arbiter_ops, meet), true, true, false },
};

static void a_store_may_lack_what_it_does_not_need(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(lacking); i++) {
		static const uint8_t unset[GW_ARBITER_ID_BYTES];
		const struct lacking *l = &lacking[i];
		struct gw_arbiter_ops ops = store_ops;
		struct store store = { 0 };
		struct gw_error e = GW_ERROR_NONE;
		struct gw_arbiter *arbiter;

		if (l->size == sizeof(ops)) {
			ops.give_back = l->give_back ? ops.give_back : NULL;
			ops.announce = l->announce ? ops.announce : NULL;
			ops.meet = l->meet ? ops.meet : NULL;
		}
		ops.size = (uint32_t)l->size;
		assert_int_equal(gw_arbiter_from_ops(&arbiter, &ops, &store, NULL), 0);
		assert_int_equal(gw_arbiter_give_back(arbiter, id, &e), l->give_back ? 0 : -EOPNOTSUPP);
		assert_int_equal(e.code, l->give_back ? 0 : -EOPNOTSUPP);
		assert_int_equal(gw_arbiter_announce(arbiter, id, NULL), 0);
		assert_int_equal(gw_arbiter_meet(arbiter, id, NULL), 0);
		assert_id_calls(&store, l->give_back, l->announce, l->meet);
		for (unsigned call = 0; call < ARRAY_SIZE(id_calls); call++)
			assert_int_equal(id_calls[call](arbiter, unset, NULL), -EINVAL);
		gw_arbiter_close(arbiter);
		assert_int_equal(store.nr_closes, 1);
	}
}

static void other_uris_are_refused(void **state)
{
	static const char *const uris[] = { NULL, "", "file", "file:", "FILE:/x", "etcd:host", "/tmp" };

	for (unsigned i = 0; i < ARRAY_SIZE(uris); i++) {
		struct gw_error e = GW_ERROR_NONE;
		struct gw_arbiter *arbiter;

		assert_int_equal(gw_arbiter_open(&arbiter, uris[i], &e), -EINVAL);
		assert_null(arbiter);
		assert_non_null(strstr(e.what, "file:DIR"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_reach_the_table),
		cmocka_unit_test(answers_are_passed_on),
		cmocka_unit_test(a_senseless_call_does_not_reach_the_table),
		cmocka_unit_test(a_table_that_lacks_a_call_is_refused),
		cmocka_unit_test(what_lies_beyond_the_tables_size_is_not_read),
		cmocka_unit_test(a_store_may_lack_what_it_does_not_need),
		cmocka_unit_test(other_uris_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
