/* SPDX-License-Identifier: BSD-3-Clause */
/* The grammar of faults as data: words, points, actions. */
#include "ref/device/fault_table.h"

#include "ref/device/command.h"
#include "ref/device/mig_state.h"
#include "ref/device/state_load.h"

#include <errno.h>

#define BIT(n) (1ull << (n))

static const struct word operations[] = {
	{ "none", BIT(0) },          { "get", BIT(1) },
	{ "set", BIT(2) },           { "get-set", BIT(3) },
	{ "probe", 0xf0 },           { "probe-only", BIT(4) },
	{ "probe-get", BIT(5) },     { "probe-set", BIT(6) },
	{ "probe-get-set", BIT(7) }, { NULL },
};

static const struct word ends[] = {
	{ "first", BIT(FAULT_END_FIRST) },
	{ "again", BIT(FAULT_END_AGAIN) },
	{ NULL },
};

static const struct word load_flaws[] = {
	{ "good", BIT(LOAD_GOOD) },
	{ "empty", BIT(LOAD_EMPTY) },
	{ "stub", BIT(LOAD_STUB) },
	{ "truncated", BIT(LOAD_TRUNCATED) },
	{ "unfinished", BIT(LOAD_UNFINISHED) },
	{ "garbage", BIT(LOAD_GARBAGE) },
	{ "head-bit", BIT(LOAD_HEAD_BIT) },
	{ "foreign", BIT(LOAD_FOREIGN) },
	{ "record", BIT(LOAD_RECORD) },
	{ "digest", BIT(LOAD_DIGEST) },
	{ "sum-bit", BIT(LOAD_SUM_BIT) },
	{ "flipped", BIT(LOAD_HEAD_BIT) | BIT(LOAD_FOREIGN) | BIT(LOAD_RECORD) | BIT(LOAD_DIGEST) | BIT(LOAD_SUM_BIT) },
	{ "doubled", BIT(LOAD_DOUBLED) },
	{ "extra", BIT(LOAD_EXTRA) },
	{ NULL },
};

static const struct word log_calls[] = {
	{ "start", BIT(FAULT_LOG_START) },
	{ "stop", BIT(FAULT_LOG_STOP) },
	{ "report", BIT(FAULT_LOG_REPORT) },
	{ "dirty", BIT(FAULT_LOG_DIRTY) },
	{ NULL },
};

static const struct word log_flaws[] = {
	{ "good", BIT(LOG_GOOD) },   { "double", BIT(LOG_DOUBLE) }, { "page-size", BIT(LOG_PAGE_SIZE) },
	{ "empty", BIT(LOG_EMPTY) }, { "wraps", BIT(LOG_WRAPS) },   { "overlap", BIT(LOG_OVERLAP) },
	{ "range", BIT(LOG_RANGE) }, { "idle", BIT(LOG_IDLE) },     { NULL },
};

static const struct word sessions[] = { { "sound", BIT(0) }, { "failed", BIT(1) }, { NULL } };
static const struct word sockets[] = { { "main", BIT(0) }, { "data", BIT(1) }, { NULL } };

/* Names for numbers, where a number is as good: here `values` is the number. */
static const struct word command_names[] = {
	{ "VERSION", COMMAND_VERSION },
	{ "DMA_MAP", COMMAND_DMA_MAP },
	{ "DMA_UNMAP", COMMAND_DMA_UNMAP },
	{ "DEVICE_GET_INFO", COMMAND_DEVICE_GET_INFO },
	{ "GET_REGION_INFO", COMMAND_GET_REGION_INFO },
	{ "GET_IRQ_INFO", COMMAND_GET_IRQ_INFO },
	{ "SET_IRQS", COMMAND_SET_IRQS },
	{ "REGION_READ", COMMAND_REGION_READ },
	{ "REGION_WRITE", COMMAND_REGION_WRITE },
	{ "DEVICE_RESET", COMMAND_DEVICE_RESET },
	{ "DEVICE_FEATURE", COMMAND_DEVICE_FEATURE },
	{ "MIG_DATA_READ", COMMAND_MIG_DATA_READ },
	{ "MIG_DATA_WRITE", COMMAND_MIG_DATA_WRITE },
	{ NULL },
};

const struct word fault_state_names[] = {
	{ "ERROR", MIG_ERROR },
	{ "STOP", MIG_STOP },
	{ "RUNNING", MIG_RUNNING },
	{ "STOP_COPY", MIG_STOP_COPY },
	{ "RESUMING", MIG_RESUMING },
	{ "RUNNING_P2P", MIG_RUNNING_P2P },
	{ "PRE_COPY", MIG_PRE_COPY },
	{ "PRE_COPY_P2P", MIG_PRE_COPY_P2P },
	{ NULL },
};

static const struct word no_names[] = { { NULL } };

static const struct arg_kind state_kind = { .what = "a device state", .names = fault_state_names };
static const struct arg_kind feature_kind = { .what = "the number of a feature", .names = no_names };
static const struct arg_kind command_kind = { .what = "a command of vfio-user", .names = command_names };
static const struct arg_kind operation_kind = { .what = "an operation", .words = operations };
static const struct arg_kind end_kind = { .what = "which end", .words = ends };
static const struct arg_kind load_kind = { .what = "what is loaded", .words = load_flaws };
static const struct arg_kind log_kind = { .what = "a call of the log", .words = log_calls };
static const struct arg_kind log_flaw_kind = { .what = "what is wrong with it", .words = log_flaws };
static const struct arg_kind region_kind = { .what = "the index of a region", .names = no_names };
static const struct arg_kind session_kind = { .what = "what its data session is", .words = sessions };
static const struct arg_kind socket_kind = { .what = "a socket", .words = sockets };

const struct point fault_points[FAULT_NR_POINTS] = {
	[FAULT_SET] = { "set", { &state_kind, &state_kind } },
	[FAULT_ARC] = { "arc", { &state_kind, &state_kind } },
	[FAULT_GET] = { "get", { &state_kind } },
	[FAULT_FEATURE] = { "feature", { &feature_kind, &operation_kind } },
	[FAULT_READ] = { "read", { &state_kind } },
	[FAULT_END] = { "end", { &state_kind, &end_kind } },
	[FAULT_WRITE] = { "write", { &state_kind } },
	[FAULT_REGION] = { "region", { &state_kind, &region_kind } },
	[FAULT_LOAD] = { "load", { &load_kind } },
	[FAULT_PRECOPY] = { "precopy", { &state_kind } },
	[FAULT_SIZE] = { "size", { &state_kind } },
	[FAULT_LOG] = { "log", { &log_kind, &log_flaw_kind } },
	[FAULT_RESET] = { "reset", { &state_kind, &session_kind } },
	[FAULT_COMMAND] = { "command", { &command_kind, &socket_kind } },
	[FAULT_OPEN] = { "open", { &state_kind } },
	[FAULT_CLOSE] = { "close", { &state_kind } },
};

#define AT(point)   BIT(FAULT_##point)
#define IN(call)    BIT(FAULT_LOG_##call)
#define IN_CALLS    (IN(START) | IN(STOP) | IN(REPORT))
#define AT_LIFE     (AT(OPEN) | AT(CLOSE))
#define AT_SESSION  (AT(READ) | AT(WRITE))
#define AT_ASKED    (AT(GET) | AT(FEATURE) | AT(PRECOPY) | AT(SIZE))
/* Where nothing is locked, so that the device can wait, or reset itself. */
#define AT_OUTSIDE  (AT_SESSION | AT_ASKED | AT(COMMAND) | AT_LIFE)
#define AT_ANY_CALL (AT_OUTSIDE | AT(SET) | AT(ARC) | AT(RESET))

const struct action fault_actions[FAULT_NR_ACTIONS] = {
	[FAULT_ERRNO] = { NULL, VALUE_NONE, EIO, false,
			  AT(SET) | AT(ARC) | AT_SESSION | AT_ASKED | AT(END) | AT(LOAD) | AT(LOG) | AT(RESET) |
				  AT(COMMAND) | AT(REGION),
			  IN_CALLS },
	[FAULT_IGNORE] = { "ignore", VALUE_NONE, 0, false,
			   AT(SET) | AT(ARC) | AT(FEATURE) | AT(WRITE) | AT(LOAD) | AT(LOG) | AT(RESET) | AT(COMMAND),
			   IN_CALLS | IN(DIRTY) },
	[FAULT_ACCEPT] = { "accept", VALUE_NONE, 0, false,
			   AT(SET) | AT(FEATURE) | AT_SESSION | AT(PRECOPY) | AT(LOAD) | AT(LOG) | AT(COMMAND),
			   IN(START) | IN(REPORT) },
	[FAULT_ERROR] = { "error", VALUE_NONE, EIO, false, AT(SET) | AT(ARC) | AT(RESET) },
	[FAULT_FAIL_TO] = { "fail-to", VALUE_STATE, EIO, false, AT(SET) | AT(ARC) | AT(RESET) },
	[FAULT_TO] = { "to", VALUE_STATE, 0, false, AT(SET) | AT(ARC) | AT(RESET) | AT_LIFE },
	[FAULT_VALUE] = { "value", VALUE_STATE, 0, false, AT(SET) | (AT_ASKED & ~AT(PRECOPY)) },
	[FAULT_ADD] = { "add", VALUE_NUMBER, 0, false, AT(FEATURE) | AT(SIZE) },
	[FAULT_FD] = { "fd", VALUE_NUMBER, 0, false, AT(SET) | AT(GET) },
	[FAULT_STALL] = { "stall", VALUE_TIME, 0, false, AT_ANY_CALL },
	[FAULT_DIE] = { "die", VALUE_NONE, ESHUTDOWN, false, AT_ANY_CALL },
	[FAULT_HANG_UP] = { "hang-up", VALUE_NONE, ESHUTDOWN, false, AT_ANY_CALL },
	[FAULT_RESET_ITSELF] = { "reset", VALUE_NONE, 0, false, AT_OUTSIDE },
	[FAULT_SHORT] = { "short", VALUE_NUMBER, 0, false, AT(READ) | AT(FEATURE) | AT(COMMAND) },
	[FAULT_EXTRA] = { "extra", VALUE_NUMBER, 0, false, AT(END) | AT(FEATURE) | AT(COMMAND) | AT(LOG), IN(REPORT) },
	[FAULT_EARLY_END] = { "early-end", VALUE_NONE, 0, false, AT(READ) },
	[FAULT_FLIP] = { "flip", VALUE_NONE, 0, true, AT_SESSION | AT(LOAD) },
	[FAULT_LOSE] = { "lose", VALUE_NUMBER, 0, true, AT_SESSION | AT(LOG), IN(REPORT) },
	[FAULT_SHIFT] = { "shift", VALUE_NUMBER, 0, false, AT(LOG), IN(REPORT) | IN(DIRTY) },
	[FAULT_INITIAL] = { "initial", VALUE_NUMBER, 0, false, AT(PRECOPY) },
	[FAULT_DIRTY] = { "dirty", VALUE_NUMBER, 0, false, AT(PRECOPY) },
	[FAULT_RISE] = { "rise", VALUE_NUMBER, 0, false, AT(PRECOPY) },
	[FAULT_REINIT] = { "reinit", VALUE_NONE, 0, false, AT(PRECOPY) },
	[FAULT_FLAGS] = { "flags", VALUE_NUMBER, 0, false, AT(PRECOPY) | AT(FEATURE) },
	[FAULT_ARGSZ] = { "argsz", VALUE_NUMBER, 0, false, AT(PRECOPY) | AT(FEATURE) },
	[FAULT_KEEP_SESSION] = { "keep-session", VALUE_NONE, 0, false, AT(ARC) | AT(RESET) },
	[FAULT_SUSPEND_SESSION] = { "suspend-session", VALUE_NONE, 0, false, AT(ARC) | AT(RESET) },
	[FAULT_RESTART_SESSION] = { "restart-session", VALUE_NONE, 0, false, AT(ARC) },
	[FAULT_KEEP_REGISTERS] = { "keep-registers", VALUE_NONE, 0, false, AT(RESET) },
	[FAULT_KEEP_MEMORY] = { "keep-memory", VALUE_NONE, 0, false, AT(RESET) },
	[FAULT_KEEP_BITS] = { "keep-bits", VALUE_NONE, 0, false, AT(LOG), IN(REPORT) },
	[FAULT_FORGET] = { "forget", VALUE_NONE, 0, false, AT(REGION) },
	[FAULT_KEEP_LOG] = { "keep-log", VALUE_NONE, 0, false, AT(CLOSE) },
	[FAULT_NO_REPLY] = { "no-reply", VALUE_NONE, 0, false, AT(COMMAND) },
	[FAULT_MSG_ID] = { "msg-id", VALUE_NUMBER, 0, false, AT(COMMAND) },
	[FAULT_LENGTH] = { "length", VALUE_NUMBER, 0, false, AT(COMMAND) },
	[FAULT_REPLY_FLAGS] = { "reply-flags", VALUE_NUMBER, 0, false, AT(COMMAND) },
};
