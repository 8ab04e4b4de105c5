/* SPDX-License-Identifier: BSD-3-Clause */
/* What a guest needs of a host: asked of VMs that answer, fail, say too much, or are older than the question. */
#include "session/needs.h"

#include "base/bits.h"
#include "model/limits.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fake {
	ssize_t needs; /* what its callback returns; that many bytes are written if they fit */
	int lacks;
	const char *what; /* of its blockers; NULL: they fill all of their room, without an end */
	int nr_asked;
	size_t nr_bytes; /* lacks: what it was given */
	uint8_t bytes[8];
};

static ssize_t needs(void *ctx, void *buf, size_t size_bytes, struct gw_error *e)
{
	struct fake *fake = ctx;

	fake->nr_asked++;
	if (fake->needs > 0 && (size_t)fake->needs <= size_bytes)
		memset(buf, 0xa5, (size_t)fake->needs);
	return fake->needs;
}

static int lacks(void *ctx, const void *needs, size_t size_bytes, struct gw_blocker *blockers, uint32_t max_blockers)
{
	struct fake *fake = ctx;

	fake->nr_asked++;
	fake->nr_bytes = size_bytes;
	assert_non_null(needs);
	memcpy(fake->bytes, needs, min_u64(size_bytes, sizeof(fake->bytes)));
	for (uint32_t i = 0; i < max_blockers && (int)i < fake->lacks; i++) {
		snprintf(blockers[i].code, sizeof(blockers[i].code), "%u", i);
		memset(blockers[i].where, 'w', sizeof(blockers[i].where));
		memset(blockers[i].what, 'x', sizeof(blockers[i].what));
		if (fake->what)
			snprintf(blockers[i].what, sizeof(blockers[i].what), "%s", fake->what);
	}
	return fake->lacks;
}

static struct gw_vm_ops ops;
static struct fake fake;
static const struct gw_vm vm = { .size = sizeof(vm), .ops = &ops, .ctx = &fake };

static int setup(void **state)
{
	ops = (struct gw_vm_ops){ .size = sizeof(ops), .needs = needs, .lacks = lacks };
	fake = (struct fake){ .what = "no MSR 0x4b564d00" };
	return 0;
}

static void needs_are_asked_once(void **state)
{
	static const ssize_t sizes[] = { 0, 1, GW_MAX_NEEDS_BYTES };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct gw_error e = GW_ERROR_NONE;
		uint8_t *bytes;
		size_t nr;

		fake = (struct fake){ .needs = sizes[i] };
		assert_int_equal(needs_ask(&vm, &bytes, &nr, &e), 0);
		assert_int_equal(fake.nr_asked, 1);
		assert_int_equal(nr, sizes[i]);
		assert_int_equal(!bytes, !nr);
		for (size_t k = 0; k < nr; k++)
			assert_int_equal(bytes[k], 0xa5);
		free(bytes);
	}
}

static void needs_that_fail_or_do_not_fit_have_a_sentence(void **state)
{
	static const struct {
		ssize_t needs;
		int ret;
		const char *says;
	} cases[] = {
		{ -EIO, -EIO, "cannot tell" },
		{ GW_MAX_NEEDS_BYTES + 1, -EMSGSIZE, "16385 bytes" },
		{ SSIZE_MAX, -EMSGSIZE, "at most 16384" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct gw_error e = GW_ERROR_NONE;
		uint8_t *bytes;
		size_t nr;

		fake.needs = cases[i].needs;
		assert_int_equal(needs_ask(&vm, &bytes, &nr, &e), cases[i].ret);
		assert_int_equal(e.code, cases[i].ret);
		assert_non_null(strstr(e.what, cases[i].says));
		assert_null(bytes);
		assert_int_equal(nr, 0);
	}
}

/* Older than both, than one of them, or without them. */
static void older_vms_are_not_asked(void **state)
{
	static const size_t sizes[] = { offsetof(struct gw_vm_ops, throttle), offsetof(struct gw_vm_ops, needs),
					offsetof(struct gw_vm_ops, lacks), sizeof(struct gw_vm_ops) };

	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct reasons reasons = { 0 };
		uint8_t *bytes;
		size_t nr;

		fake = (struct fake){ .needs = 4, .lacks = 1 };
		ops.size = (uint32_t)sizes[i];
		if (sizes[i] == sizeof(ops))
			ops.needs = NULL;
		assert_int_equal(needs_ask(&vm, &bytes, &nr, NULL), 0);
		assert_int_equal(nr, i == 2 ? 4 : 0);
		free(bytes);
		fake.nr_asked = 0;
		if (sizes[i] == sizeof(ops))
			ops.lacks = NULL;
		assert_int_equal(needs_check(&vm, NULL, 0, &reasons, NULL), 0);
		assert_int_equal(reasons.nr, 0);
		assert_int_equal(fake.nr_asked, 0);
	}
}

static void lacks_are_reasons(void **state)
{
	static const uint8_t told[] = { 1, 2, 3 };
	struct reasons reasons = { 0 };

	fake.lacks = 2;
	assert_int_equal(needs_check(&vm, told, sizeof(told), &reasons, NULL), 0);
	assert_int_equal(fake.nr_bytes, sizeof(told));
	assert_memory_equal(fake.bytes, told, sizeof(told));
	assert_int_equal(reasons.nr, 2);
	assert_int_equal(reasons.list[1].code, REASON_HOST_LACKS);
	assert_string_equal(reasons.list[1].what, fake.what);
	assert_int_equal(strlen(reasons.list[1].where), sizeof(reasons.list[1].where) - 1);

	fake = (struct fake){ .lacks = 0 };
	assert_int_equal(needs_check(&vm, NULL, 0, &reasons, NULL), 0);
	assert_int_equal(fake.nr_asked, 1);
	assert_int_equal(fake.nr_bytes, 0);
	assert_int_equal(reasons.nr, 2);
}

/* A text without an end, or none at all; more than there is room for. */
static void lacks_are_made_safe(void **state)
{
	static const int nr[] = { 1, LIMIT_REASONS, LIMIT_REASONS + 1, INT32_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(nr); i++) {
		struct reasons reasons = { 0 };

		fake = (struct fake){ .lacks = nr[i] };
		assert_int_equal(needs_check(&vm, NULL, 0, &reasons, NULL), 0);
		assert_int_equal(reasons.nr, min_u64((uint64_t)nr[i], LIMIT_REASONS));
		assert_int_equal(strlen(reasons.list[0].what), sizeof(reasons.list[0].what) - 1);
		reasons.nr = 0;
		fake.what = "";
		assert_int_equal(needs_check(&vm, NULL, 0, &reasons, NULL), 0);
		assert_non_null(strstr(reasons.list[0].what, "lacks something"));
	}
}

static void lacks_that_fail_refuse(void **state)
{
	struct reasons reasons = { 0 };

	fake.lacks = -EBADMSG;
	assert_int_equal(needs_check(&vm, NULL, 0, &reasons, NULL), 0);
	assert_int_equal(reasons.nr, 1);
	assert_int_equal(reasons.list[0].code, REASON_HOST_LACKS);
	assert_non_null(strstr(reasons.list[0].what, strerror(EBADMSG)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(needs_are_asked_once, setup),
		cmocka_unit_test_setup(needs_that_fail_or_do_not_fit_have_a_sentence, setup),
		cmocka_unit_test_setup(older_vms_are_not_asked, setup),
		cmocka_unit_test_setup(lacks_are_reasons, setup),
		cmocka_unit_test_setup(lacks_are_made_safe, setup),
		cmocka_unit_test_setup(lacks_that_fail_refuse, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
