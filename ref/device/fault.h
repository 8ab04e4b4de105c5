/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults on demand: what the device does wrong because it was told to (fault_spec.h has the grammar). At each place
 * where it can, it asks here what strikes; with no faults the answer is always "nothing". The list has a lock of its
 * own, which is taken last: any thread asks, whatever it holds, and the control socket's adds and clears. Only what
 * waits or resets (stall, reset) needs a place where nothing is locked, and the grammar knows those.
 */
#ifndef REF_DEVICE_FAULT_H
#define REF_DEVICE_FAULT_H

#include "ref/device/ref_device.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ref_device;

enum fault_point {
	FAULT_SET,     /* a request for a state: the one it is in, the one asked for */
	FAULT_ARC,     /* from, to */
	FAULT_GET,     /* the device's state is asked: the state */
	FAULT_FEATURE, /* number, operation: GET, SET and PROBE as bits 0 to 2 */
	FAULT_READ,    /* state */
	FAULT_END,     /* a read finds no more: state, enum fault_end */
	FAULT_WRITE,   /* state */
	FAULT_REGION,  /* a register or memory is written: state, index of the region */
	FAULT_LOAD,    /* a load is judged: enum load_flaw */
	FAULT_PRECOPY, /* state */
	FAULT_SIZE,    /* state */
	FAULT_LOG,     /* enum fault_log, enum log_flaw */
	FAULT_RESET,   /* state, whether its data session had failed */
	FAULT_COMMAND, /* command, on the data socket or not */
	FAULT_OPEN,    /* a client comes: state */
	FAULT_CLOSE,   /* and goes */
	FAULT_NR_POINTS,
};

enum fault_end { FAULT_END_FIRST, FAULT_END_AGAIN };
enum fault_log { FAULT_LOG_START, FAULT_LOG_STOP, FAULT_LOG_REPORT, FAULT_LOG_DIRTY };
#define FAULT_LOG_ALL 0xfu /* a bit each */

/* What is wrong with a request about the log. */
enum log_flaw {
	LOG_GOOD,
	LOG_DOUBLE,    /* start: it is on */
	LOG_PAGE_SIZE, /* no power of two, or too small */
	LOG_OVERLAP,   /* of a start's ranges */
	LOG_EMPTY,
	LOG_WRAPS,
	LOG_RANGE, /* report: not logged; start: too much of it */
	LOG_IDLE,  /* stop, report: it is not on */
};

enum fault_action {
	FAULT_NONE,
	FAULT_ERRNO,
	FAULT_IGNORE,
	FAULT_ACCEPT,
	FAULT_ERROR, /* while it is parsed: then it is FAIL_TO, ERROR */
	FAULT_FAIL_TO,
	FAULT_TO,
	FAULT_VALUE,
	FAULT_ADD,
	FAULT_FD,
	FAULT_STALL,
	FAULT_DIE,
	FAULT_HANG_UP,
	FAULT_RESET_ITSELF,
	FAULT_SHORT,
	FAULT_EXTRA,
	FAULT_EARLY_END,
	FAULT_FLIP,
	FAULT_LOSE,
	FAULT_SHIFT,
	FAULT_INITIAL,
	FAULT_DIRTY,
	FAULT_RISE,
	FAULT_REINIT,
	FAULT_FLAGS,
	FAULT_ARGSZ,
	FAULT_KEEP_SESSION,
	FAULT_SUSPEND_SESSION,
	FAULT_RESTART_SESSION,
	FAULT_KEEP_REGISTERS,
	FAULT_KEEP_MEMORY,
	FAULT_KEEP_BITS,
	FAULT_FORGET,
	FAULT_KEEP_LOG,
	FAULT_NO_REPLY,
	FAULT_MSG_ID,
	FAULT_LENGTH,
	FAULT_REPLY_FLAGS,
	FAULT_NR_ACTIONS,
};

#define FAULT_TEXT_BYTES 160
#define FAULT_NO_LIMIT   UINT64_MAX
#define FAULT_ANYWHERE   UINT64_MAX
#define FAULT_NR_ARGS    2

struct fault_arg {
	bool any;
	uint64_t value; /* a number, or of an argument that is a word: a bit for each value that it means */
};

struct fault {
	enum fault_point point;
	struct fault_arg args[FAULT_NR_ARGS];
	enum fault_action action;
	uint64_t value;
	int error; /* errno of those that fail */
	uint64_t times;
	uint64_t after;
	uint64_t at;   /* FAULT_ANYWHERE */
	uint64_t size; /* FAULT_NO_LIMIT: any */
	uint64_t matched, struck;
	char text[FAULT_TEXT_BYTES]; /* as it was given */
};

/* What a client's link is to do beside, or instead of, answering. */
enum fault_link { FAULT_LINK_SOUND, FAULT_LINK_CUT, FAULT_LINK_DEAD };

struct faults {
	pthread_mutex_t lock;
	struct fault items[REF_DEVICE_MAX_FAULTS];
	unsigned nr;
	unsigned nr_stalled;
	int clear_fd; /* readable while those who are stalled are to go on */
	enum fault_link link;
};

/* The answer: what the place has to do. */
struct strike {
	enum fault_action action;
	int ret; /* not 0: fail with it, having done nothing */
	uint64_t value;
	uint64_t at; /* from this byte of the request on */
	uint64_t nr; /* 1: the first time */
};

int ref_faults_init(struct faults *faults, const char *const *specs, unsigned nr, char *error, size_t error_bytes);
void ref_faults_fini(struct faults *faults);

/* -EINVAL, -ENOSPC with a sentence. Later faults are asked later. */
int ref_faults_add(struct faults *faults, const char *spec, char *error, size_t error_bytes);
void ref_faults_clear(struct faults *faults); /* who is stalled goes on */

/* The n-th as it is now; false: there are fewer. */
bool ref_faults_get(struct faults *faults, unsigned n, struct fault *fault);

/*
 * Asks what strikes: of the faults that match, the first. What is the same at every place is done here: the wait, the
 * reset, the end of the connection.
 */
struct strike ref_fault(struct ref_device *dev, enum fault_point point, uint64_t a, uint64_t b);

/* The same where bytes are moved: `size` of them from byte `position` of the stream on. */
struct strike ref_fault_at(struct ref_device *dev, enum fault_point point, uint64_t a, uint64_t b, uint64_t position,
			   uint64_t size);

/* A request is refused with ret, for this flaw: 0 if a fault accepts it, or what it is refused with. */
int ref_fault_refuse(struct ref_device *dev, enum fault_point point, uint64_t a, uint64_t b, uint64_t size, int ret);

/* Whether the client's connection is to be cut; a new client's is sound. */
enum fault_link ref_fault_link(struct ref_device *dev);
void ref_fault_link_opened(struct ref_device *dev);

#endif
