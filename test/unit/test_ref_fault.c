/* SPDX-License-Identifier: BSD-3-Clause */
/* Faults as text, and which of them strikes: the grammar, its refusals, and times, after, at and size. */
#include "ref/device/command.h"
#include "ref/device/device.h"
#include "ref/device/fault_spec.h"
#include "ref/device/fault_table.h"
#include "ref/device/state_load.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANUAL_ROOM (64u << 10)

static struct fault parsed(const char *text)
{
	char error[512] = "";
	struct fault fault;

	if (ref_fault_spec_parse(text, &fault, error, sizeof(error)))
		fail_msg("%s: %s", text, error);
	assert_string_equal(fault.text, text);
	return fault;
}

static void points_and_arguments(void **state)
{
	struct fault f = parsed("set:RUNNING:STOP_COPY=EIO");

	assert_int_equal(f.point, FAULT_SET);
	assert_false(f.args[0].any || f.args[1].any);
	assert_int_equal(f.args[0].value, MIG_RUNNING);
	assert_int_equal(f.args[1].value, MIG_STOP_COPY);
	assert_int_equal(f.action, FAULT_ERRNO);
	assert_int_equal(f.error, EIO);
	assert_int_equal(f.times, FAULT_NO_LIMIT);
	assert_int_equal(f.after, 1);
	assert_int_equal(f.at, FAULT_ANYWHERE);
	assert_int_equal(f.size, FAULT_NO_LIMIT);
	f = parsed("set:*:8=accept");
	assert_true(f.args[0].any);
	assert_int_equal(f.args[1].value, 8);
	f = parsed("arc=ignore");
	assert_true(f.args[0].any && f.args[1].any);
	f = parsed("feature:0x6701:get=EINVAL");
	assert_int_equal(f.args[0].value, 0x6701);
	assert_int_equal(f.args[1].value, 1 << 1);
	assert_int_equal(parsed("feature:2:probe=EINVAL").args[1].value, 0xf0);
	assert_int_equal(parsed("load:truncated=accept").args[0].value, 1 << LOAD_TRUNCATED);
	assert_int_equal(parsed("command:MIG_DATA_READ:data=no-reply").args[0].value, COMMAND_MIG_DATA_READ);
	assert_int_equal(parsed("command:77=accept").args[0].value, 77);
	assert_int_equal(parsed("reset:RESUMING:failed=EIO").args[1].value, 1 << 1);
	assert_int_equal(parsed("end:STOP_COPY:again=extra:4").args[1].value, 1 << FAULT_END_AGAIN);
	assert_int_equal(parsed("log:report:idle=accept").args[1].value, 1 << LOG_IDLE);
}

static void actions_and_values(void **state)
{
	struct fault f = parsed("arc:STOP:STOP_COPY=error,errno=EBUSY");

	assert_int_equal(f.action, FAULT_FAIL_TO);
	assert_int_equal(f.value, MIG_ERROR);
	assert_int_equal(f.error, EBUSY);
	f = parsed("arc:STOP:STOP_COPY=fail-to:RUNNING");
	assert_int_equal(f.value, MIG_RUNNING);
	assert_int_equal(f.error, EIO);
	f = parsed("arc:STOP:STOP_COPY=to:RUNNING");
	assert_int_equal(f.value, MIG_RUNNING);
	assert_int_equal(f.error, 0);
	assert_int_equal(parsed("get:STOP=value:RUNNING").value, MIG_RUNNING);
	assert_int_equal(parsed("get:STOP=value:99").value, 99);
	assert_int_equal(parsed("size:STOP_COPY=add:-4").value, (uint64_t)-4);
	assert_int_equal(parsed("precopy=initial:-1").value, UINT64_MAX);
	assert_int_equal(parsed("read=stall:20ms").value, 20000000);
	assert_int_equal(parsed("read=lose:4K").value, 4096);
	f = parsed("write=EINVAL,times=1,after=3,at=1M,size=0x10");
	assert_int_equal(f.times, 1);
	assert_int_equal(f.after, 3);
	assert_int_equal(f.at, 1 << 20);
	assert_int_equal(f.size, 16);
}

/* Each with a word that its sentence has to have. */
static void what_is_no_fault(void **state)
{
	static const char *const cases[][2] = {
		{ "", "no point" },
		{ "walk=EIO", "points are set, arc" },
		{ "set", "comes =ACTION" },
		{ "set:RUNNING", "comes =ACTION" },
		{ "set:RUNNING:STOP:STOP=EIO", "comes =ACTION" },
		{ "set:NOWHERE:STOP=EIO", "ERROR, STOP, RUNNING" },
		{ "load:nothing=EIO", "truncated" },
		{ "load:3=EIO", "truncated" },
		{ "feature:x=EIO", "number of a feature" },
		{ "set=", "no action" },
		{ "set=jump", "fail-to" },
		{ "set=EWHAT", "errno" },
		{ "set=short:1", "means nothing at set" },
		{ "end=stall:1s", "means nothing at end" },
		{ "log:start=lose:1", "means nothing" },
		{ "log=keep-bits", "means nothing" },
		{ "log:dirty=EIO", "means nothing" },
		{ "arc=to", "needs :VALUE" },
		{ "arc=to:8", "a device can be in" },
		{ "arc=to:NOWHERE", "a device state" },
		{ "arc=stall:20", "a time" },
		{ "arc=EIO:1", "left over" },
		{ "arc=ignore,times=0", "times=N" },
		{ "arc=ignore,after=0", "after=N" },
		{ "arc=ignore,often=3", "often=3" },
		{ "arc=ignore,times", "times=N" },
		{ "arc=ignore,times=", "times=N" },
		{ "arc=ignore,times= 1", "times=N" },
		{ "arc=ignore,times=18446744073709551616", "times=N" },
		{ "arc=ignore,times=99999999999G", "times=N" },
		{ "arc=ignore,errno=EIO", "none of" },
		{ "arc=EIO,", "none of" },
	};
	char error[512], longer[FAULT_TEXT_BYTES + 1];
	struct fault fault;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		error[0] = '\0';
		if (!ref_fault_spec_parse(cases[i][0], &fault, error, sizeof(error)))
			fail_msg("\"%s\" is a fault", cases[i][0]);
		if (!strstr(error, cases[i][1]))
			fail_msg("\"%s\": \"%s\" in \"%s\"?", cases[i][0], cases[i][1], error);
	}
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(ref_fault_spec_parse(longer, &fault, error, sizeof(error)), -EINVAL);
	longer[60] = '\0';
	assert_int_equal(ref_fault_spec_parse(longer, &fault, error, sizeof(error)), -EINVAL);
	assert_int_equal(ref_fault_spec_parse("", &fault, NULL, 0), -EINVAL);
}

/* A list of faults in a device that does nothing else: only the list is looked at. */
struct list {
	struct ref_device dev;
};

static void list_open(struct list *l, const char *const *specs, unsigned nr)
{
	char error[512];

	memset(l, 0, sizeof(*l));
	l->dev.stop_fd = -1;
	assert_int_equal(ref_faults_init(&l->dev.faults, specs, nr, error, sizeof(error)), 0);
}

static void counted(struct list *l, unsigned n, uint64_t matched, uint64_t struck)
{
	struct fault fault;

	assert_true(ref_faults_get(&l->dev.faults, n, &fault));
	assert_int_equal(fault.matched, matched);
	assert_int_equal(fault.struck, struck);
}

static void times_and_after(void **state)
{
	static const char *const specs[] = { "arc:STOP:RUNNING=EIO,after=2,times=2", "arc:STOP=EBUSY" };
	static const int expected[] = { -EBUSY, -EIO, -EIO, -EBUSY, -EBUSY };
	struct list l;

	list_open(&l, specs, 2);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(ref_fault(&l.dev, FAULT_ARC, MIG_STOP, MIG_RUNNING).ret, expected[i]);
	counted(&l, 0, 5, 2);
	counted(&l, 1, 3, 3);
	assert_int_equal(ref_fault(&l.dev, FAULT_ARC, MIG_STOP, MIG_RESUMING).ret, -EBUSY);
	assert_int_equal(ref_fault(&l.dev, FAULT_ARC, MIG_RUNNING, MIG_STOP).action, FAULT_NONE);
	assert_int_equal(ref_fault(&l.dev, FAULT_SET, MIG_STOP, MIG_RUNNING).action, FAULT_NONE);
	counted(&l, 0, 5, 2);
	ref_faults_clear(&l.dev.faults);
	assert_int_equal(ref_fault(&l.dev, FAULT_ARC, MIG_STOP, MIG_RUNNING).action, FAULT_NONE);
	ref_faults_fini(&l.dev.faults);
}

static enum fault_action read_at(struct list *l, uint64_t position, uint64_t size, uint64_t *at)
{
	struct strike strike = ref_fault_at(&l->dev, FAULT_READ, MIG_STOP_COPY, 0, position, size);

	*at = strike.at;
	return strike.action;
}

/* What goes on from a byte strikes in every request that has a byte from there on; what hits one byte, once. */
static void at_and_size(void **state)
{
	static const char *const goes_on[] = { "read=early-end,at=100" }, *const spot[] = { "read=flip,at=100" },
				 *const sized[] = { "read=lose:1,size=10" };
	struct list l;
	uint64_t at;

	list_open(&l, goes_on, 1);
	assert_int_equal(read_at(&l, 0, 100, &at), FAULT_NONE);
	assert_int_equal(read_at(&l, 0, 101, &at), FAULT_EARLY_END);
	assert_int_equal(at, 100);
	assert_int_equal(read_at(&l, 100, 1, &at), FAULT_EARLY_END);
	assert_int_equal(at, 0);
	assert_int_equal(read_at(&l, 200, 1, &at), FAULT_EARLY_END);
	assert_int_equal(at, 0);
	ref_faults_fini(&l.dev.faults);

	list_open(&l, spot, 1);
	assert_int_equal(read_at(&l, 0, 100, &at), FAULT_NONE);
	assert_int_equal(read_at(&l, 90, 11, &at), FAULT_FLIP);
	assert_int_equal(at, 10);
	assert_int_equal(read_at(&l, 101, 10, &at), FAULT_NONE);
	ref_faults_fini(&l.dev.faults);

	list_open(&l, sized, 1);
	assert_int_equal(read_at(&l, 0, 9, &at), FAULT_NONE);
	assert_int_equal(read_at(&l, 7, 10, &at), FAULT_LOSE);
	assert_int_equal(at, 0);
	ref_faults_fini(&l.dev.faults);
}

static void the_list_is_bounded(void **state)
{
	char error[512] = "";
	struct list l;

	list_open(&l, NULL, 0);
	for (int i = 0; i < REF_DEVICE_MAX_FAULTS; i++)
		assert_int_equal(ref_faults_add(&l.dev.faults, "arc=EIO", error, sizeof(error)), 0);
	assert_int_equal(ref_faults_add(&l.dev.faults, "arc=EIO", error, sizeof(error)), -ENOSPC);
	assert_non_null(strstr(error, "already"));
	ref_faults_clear(&l.dev.faults);
	assert_int_equal(ref_faults_add(&l.dev.faults, "arc=EIO", error, sizeof(error)), 0);
	ref_faults_fini(&l.dev.faults);
}

/* The manual, with a row for each point and action; the caller's. */
static char *read_manual(void)
{
	const char *root = getenv("GODWIT_SOURCE_ROOT");
	char path[4096], *text = calloc(1, MANUAL_ROOM);
	FILE *file;

	assert_non_null(text);
	snprintf(path, sizeof(path), "%s/man/godwit-device.1.scd", root ? root : ".");
	file = fopen(path, "r");
	if (!file) {
		free(text);
		skip();
	}
	assert_true(fread(text, 1, MANUAL_ROOM - 1, file) < MANUAL_ROOM - 1);
	fclose(file);
	return text;
}

static void in_manual(const char *manual, const char *before, const char *name, const char *after)
{
	size_t length = strlen(name);

	for (const char *at = strstr(manual, name); at; at = strstr(at + 1, name))
		if (strchr(before, at[-1]) && at[length] && strchr(after, at[length]))
			return;
	fail_msg("the manual knows no \"%s\"", name);
}

static void the_manual_has_them_all(void **state)
{
	char *manual = read_manual();

	for (unsigned i = 0; i < FAULT_NR_POINTS; i++)
		in_manual(manual, " ", fault_points[i].name, ":");
	for (unsigned i = FAULT_NONE + 1; i < FAULT_NR_ACTIONS; i++)
		if (fault_actions[i].name)
			in_manual(manual, " ", fault_actions[i].name, "\n:,");
	for (unsigned i = 0; i < FAULT_NR_POINTS; i++)
		for (unsigned n = 0; n < FAULT_NR_ARGS; n++)
			for (const struct word *w = fault_points[i].args[n] ? fault_points[i].args[n]->words : NULL;
			     w && w->name; w++)
				in_manual(manual, "*", w->name, "*");
	free(manual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_and_arguments),
		cmocka_unit_test(actions_and_values),
		cmocka_unit_test(what_is_no_fault),
		cmocka_unit_test(times_and_after),
		cmocka_unit_test(at_and_size),
		cmocka_unit_test(the_list_is_bounded),
		cmocka_unit_test(the_manual_has_them_all),
	};

	return cmocka_run_group_tests_name("ref_fault", tests, NULL, NULL);
}
