/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The conformance suite: rules, and the trial of one rule on one device. A rule is one thing that the uAPI or the
 * vfio-user specification says of a device; its function puts the device to it by raw calls (<godwit/raw.h>) and ends
 * in one verdict. A rule is judged alone: what has to hold before it can be judged (a state that must be reached, an
 * image that must be saved) is another rule's matter, so where that fails the trial is skipped and names it.
 *
 * Rules are listed for a device, since which there are follows from what it reports. One thread a device.
 */
#ifndef TOOL_CHECK_CHECK_H
#define TOOL_CHECK_CHECK_H

#include <godwit/device.h>
#include <godwit/raw.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RULE_NAME_BYTES  64
#define TRIAL_TEXT_BYTES 400

enum verdict { VERDICT_NONE, VERDICT_PASS, VERDICT_FAIL, VERDICT_SKIP };

/* What a rule needs beside a device that can migrate; the trial is skipped, with the reason, where it is not there. */
#define NEED_P2P          (1u << 0)
#define NEED_PRECOPY      (1u << 1)
#define NEED_PRECOPY_INFO (1u << 2) /* vfio-user: with the extension */
#define NEED_STOP_SIZE    (1u << 3)
#define NEED_DMA_LOG      (1u << 4) /* the device's own */
#define NEED_RESET        (1u << 5)
#define NEED_DATA_FD      (1u << 6) /* a kernel device */
#define NEED_VFIO_USER    (1u << 7)
#define NEED_WRITER       (1u << 8)  /* the suite knows how to make this device write guest memory */
#define NEED_DANGEROUS    (1u << 9)  /* hangs some kernels: only when told that this one is sound */
#define NEED_NO_CLIENT    (1u << 10) /* closes the device and opens it again */

struct opener;
struct trial;

struct rule {
	char name[RULE_NAME_BYTES]; /* "arc.RUNNING-STOP": group, dot, rule; never changes once released */
	const char *text;           /* what the device has to do, in one line */
	const char *source;         /* the sentence it is held to and where that stands */
	uint32_t needs;             /* NEED_* */
	void (*run)(struct trial *t);
	uint32_t from, to; /* of the rules about a transition; else whatever the rule's function likes */
	uint64_t value;
};

struct rule_list {
	struct rule *items;
	unsigned nr;
};

/* Adds a copy. Without memory the program ends, with a sentence. */
void rule_add(struct rule_list *list, const struct rule *rule);
/* All groups, in the order in which they are run. */
void rule_list_fill(struct rule_list *list, uint32_t flags);
/* Whether its name is like one of these fnmatch(3) patterns; nr 0: yes. */
bool rule_is_wanted(const struct rule *rule, const char *const *patterns, unsigned nr);
/* Every rule that some device may be held to, each once. */
void rule_list_fill_all(struct rule_list *list);
void rule_list_free(struct rule_list *list);

/* One file a group: each adds its rules for a device with these GW_MIGRATION_* flags. */
void rules_feature(struct rule_list *list, uint32_t flags); /* probes and their forms */
void rules_state(struct rule_list *list, uint32_t flags);   /* what GET and SET tell of it */
void rules_arc(struct rule_list *list, uint32_t flags);     /* every arc, combined transition, refusal */
void rules_reset(struct rule_list *list, uint32_t flags);
void rules_data(struct rule_list *list, uint32_t flags); /* the data session */
void rules_precopy(struct rule_list *list, uint32_t flags);
void rules_size(struct rule_list *list, uint32_t flags);  /* the stop-copy size */
void rules_image(struct rule_list *list, uint32_t flags); /* good and bad images loaded */
void rules_log(struct rule_list *list, uint32_t flags);   /* DMA logging */
void rules_life(struct rule_list *list, uint32_t flags);  /* close, open, client gone */

/* One rule on one device. The device comes in RUNNING and is put back there, by a reset if need be, by who runs it. */
struct trial {
	const struct rule *rule;
	struct gw_device *dev;
	struct gw_device *peer; /* takes images; the device itself where there is no other */
	struct gw_device_info info;
	uint32_t at;                 /* the state that the last trial_go or trial_set left dev in, if all went well */
	const struct opener *opener; /* tool/check/opener.h */
	enum verdict verdict;
	char did[TRIAL_TEXT_BYTES];  /* the last thing done: "SET STOP_COPY in RUNNING" */
	char came[TRIAL_TEXT_BYTES]; /* what came back; of a skip: the reason */
	char due[TRIAL_TEXT_BYTES];
};

/* The first verdict stays. All return false, so that a rule can end with "return (void)trial_fail(...)". */
__attribute__((format(printf, 2, 3))) void trial_did(struct trial *t, const char *fmt, ...);
__attribute__((format(printf, 3, 4))) bool trial_fail(struct trial *t, const char *due, const char *fmt, ...);
__attribute__((format(printf, 2, 3))) bool trial_skip(struct trial *t, const char *fmt, ...);

/* Fails the trial if ret (0, a count or -errno) is an error, or is none of the listed -errno (a list ended by 0). */
bool trial_done(struct trial *t, ssize_t ret);
/* codes NULL: any, where the sentence names none; but never that the connection is gone. */
bool trial_refused(struct trial *t, ssize_t ret, const int *codes);

/*
 * The way to where a rule begins: arc by arc, each confirmed by GET. Not there: the trial is skipped and the arc named,
 * for that arc has its own rule. trial_set is one SET whose outcome is what the rule is about: no verdict, returns
 * -errno.
 */
bool trial_go(struct trial *t, uint32_t state);
int trial_set(struct trial *t, uint32_t state);
/*
 * As trial_go, and without a verdict: steps on from t->at, arc by arc. 0; or the -errno (-EPROTO: it was accepted and
 * GET tells another state) of the arc that *from and *to name.
 */
int trial_walk(struct trial *t, uint32_t state, uint32_t *from, uint32_t *to);
/* GET, a failure of which is the trial's end (skipped); and the trial fails unless the device is in this state. */
bool trial_is_in(struct trial *t, uint32_t state);

/*
 * A saved image: what is read until the end in STOP_COPY. take: from RUNNING to STOP_COPY, read in pieces of at most
 * `piece` bytes (0: 64 KiB), and back to RUNNING; skips the trial if that does not work. More than
 * `CHECK_IMAGE_MAX_BYTES` is a skip too, with that reason.
 */
#define CHECK_IMAGE_MAX_BYTES (256ull << 20)
struct image {
	uint8_t *bytes;
	size_t size_bytes;
};
bool trial_image_take(struct trial *t, struct image *image, size_t piece);
void image_free(struct image *image);
/*
 * Loads bytes into trial.peer: reset, RESUMING, written in pieces (0: 64 KiB), left for RUNNING. 0; or the device's
 * -errno, of the write that refused them or of leaving RESUMING; *where says which ("write at byte 4096", "RESUMING ->
 * STOP"). That a good image is taken when RESUMING is left is what arc.RESUMING-STOP says: a rule whose matter comes
 * after that is skipped where it is not.
 */
int trial_image_load(struct trial *t, const uint8_t *bytes, size_t size_bytes, size_t piece, const char **where);

/* Into dev: RESUMING, and all of the image written; not left. As trial_image_load. */
int trial_image_begin(struct trial *t, const struct image *image, const char **where);

/* Whether there is a way to make this device write guest memory. */
bool trial_has_writer(const struct trial *t);
/* Makes the device write one byte of guest memory at iova, or not at all: NEED_WRITER. 0 or -errno. */
int trial_write_guest(struct trial *t, uint64_t iova);

/* Ends dev (and peer, where that is the same). trial_reopen: 0 or -errno; dev is NULL until it has succeeded. */
void trial_close(struct trial *t);
int trial_reopen(struct trial *t, uint32_t flags); /* GW_OPEN_*, beside those that were asked for */

/* "EINVAL"; "errno 133" where it has no name here. code: positive or negative. */
const char *errno_name(int code);
/* What a vfio-user device's call says when nobody answers any more; and whether this is it, of this device. */
bool errno_is_gone(int code);
bool trial_is_gone(const struct gw_device *dev, int code);

#endif
