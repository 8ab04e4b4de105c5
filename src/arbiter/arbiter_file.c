/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An arbiter made of a directory. Three files may speak of an id, each made by one atomic link (arbiter/dir.h):
 *
 *   .owner      the side that was first.
 *   .settled    what became of a destination's claim, for ever: "returned", by give_back, and the source owns; or
 *               "kept", by a claim of the source that is about to be told so. Whichever is linked first excludes the
 *               other. So a source that has let its guest go is never made the owner, and the owner goes from nobody
 *               to the source, or to the destination and from there, at most once, to the source. Beside an .owner
 *               of the source it means nothing.
 *   .announced  the source was here; claims nothing.
 *
 * Nothing is concluded about the owner before the directory has been synced, by whoever looks: a file that is merely
 * seen may be gone after a crash of the storage, and the other side could win then. So it does not matter where a
 * claimer dies. Nor does it matter in which order .owner and .settled become durable: if a crash leaves .settled alone,
 * nobody has been told of an owner yet. A source that claims then becomes the owner at once; a destination that does
 * finds "returned" and is told of the source, or "kept" and owns for good.
 */
#include "arbiter/arbiter_file.h"

#include "arbiter/dir.h"
#include "base/clock.h"
#include "base/err.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WHERE   "arbiter"
#define MEET_NS (3 * NS_PER_S)
#define WAIT_NS (20 * NS_PER_MS)

struct arbiter_file {
	char *dir; /* absolute, for the process may change its own */
};

enum settled { SETTLED_RETURNED = 1, SETTLED_KEPT = 2 };

/* The files of one id. */
struct id_files {
	struct dir_file owner;   /* its heads are numbered as enum gw_side, */
	struct dir_file settled; /* and its as enum settled */
	struct dir_file announced;
};

static void name_files(struct id_files *files, const uint8_t id[GW_ARBITER_ID_BYTES])
{
	char hex[2 * GW_ARBITER_ID_BYTES + 1];

	for (unsigned i = 0; i < GW_ARBITER_ID_BYTES; i++)
		snprintf(hex + 2 * (size_t)i, 3, "%02x", id[i]);
	*files = (struct id_files){
		.owner.tells = "who owns the migration",
		.settled.tells = "whether the migration was given back",
		.announced.tells = "that the source was here",
	};
	snprintf(files->owner.name, DIR_NAME_BYTES, "%s.owner", hex);
	snprintf(files->owner.heads[GW_SIDE_SOURCE - 1], DIR_HEAD_BYTES, "godwit owner 1\nid %s\nside source\n", hex);
	snprintf(files->owner.heads[GW_SIDE_DESTINATION - 1], DIR_HEAD_BYTES,
		 "godwit owner 1\nid %s\nside destination\n", hex);
	snprintf(files->settled.name, DIR_NAME_BYTES, "%s.settled", hex);
	snprintf(files->settled.heads[SETTLED_RETURNED - 1], DIR_HEAD_BYTES,
		 "godwit settled 1\nid %s\nclaim returned\n", hex);
	snprintf(files->settled.heads[SETTLED_KEPT - 1], DIR_HEAD_BYTES, "godwit settled 1\nid %s\nclaim kept\n", hex);
	snprintf(files->announced.name, DIR_NAME_BYTES, "%s.announced", hex);
	snprintf(files->announced.heads[0], DIR_HEAD_BYTES, "godwit announced 1\nid %s\n", hex);
}

/*
 * .settled counts beside an .owner that was just made, too, for it may be older. A destination does not make it here:
 * it may yet find that its guest cannot be started, as long as the source has not asked. *proof: the file that tells.
 */
static int find_owner(struct dir_call *c, const struct id_files *files, enum gw_side side, const char **proof)
{
	int owner = dir_take(c, &files->owner, (int)side), settled;

	*proof = files->owner.name;
	if (owner != GW_SIDE_DESTINATION)
		return owner;
	if (side == GW_SIDE_SOURCE)
		settled = dir_take(c, &files->settled, SETTLED_KEPT);
	else
		settled = dir_look(c, &files->settled);
	if (settled != SETTLED_RETURNED)
		return settled < 0 ? settled : owner;
	*proof = files->settled.name;
	return GW_SIDE_SOURCE;
}

static int settle(struct dir_call *c, const struct id_files *files, enum gw_side side)
{
	const char *proof;
	int owner = find_owner(c, files, side, &proof), ret;

	if (owner < 0)
		return owner;
	ret = dir_sync(c);
	if (ret || owner == (int)side)
		return ret;
	return err_set(&c->e, -EBUSY, WHERE, "the migration belongs to the %s, by %s (%s)",
		       owner == GW_SIDE_SOURCE ? "source" : "destination", proof, c->path);
}

static int file_claim(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], enum gw_side side, struct gw_error *e)
{
	const struct arbiter_file *arbiter = ctx;
	struct id_files files;
	struct dir_call c;
	int ret = dir_begin(&c, arbiter->dir);

	name_files(&files, id);
	if (!ret)
		ret = settle(&c, &files, side);
	return dir_end(&c, ret, e);
}

/* No sync between the two: see above. The one at the end covers both. */
static int put_back(struct dir_call *c, const struct id_files *files)
{
	int owner = dir_look(c, &files->owner), settled, ret;

	if (owner < 0)
		return owner;
	if (owner != GW_SIDE_DESTINATION)
		return err_set(&c->e, -EINVAL, WHERE,
			       "the migration belongs to %s, so the destination cannot give it back (%s)",
			       owner == GW_SIDE_SOURCE ? "the source" : "nobody", c->path);
	settled = dir_take(c, &files->settled, SETTLED_RETURNED);
	if (settled < 0)
		return settled;
	ret = dir_sync(c);
	if (ret || settled == SETTLED_RETURNED)
		return ret;
	return err_set(&c->e, -EBUSY, WHERE, "the source has let go of the guest, which can only run here, by %s (%s)",
		       files->settled.name, c->path);
}

static int file_give_back(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	const struct arbiter_file *arbiter = ctx;
	struct id_files files;
	struct dir_call c;
	int ret = dir_begin(&c, arbiter->dir);

	name_files(&files, id);
	if (!ret)
		ret = put_back(&c, &files);
	return dir_end(&c, ret, e);
}

/* Not synced: one that a crash loses makes the destination refuse, and that is all. */
static int file_announce(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	const struct arbiter_file *arbiter = ctx;
	struct id_files files;
	struct dir_call c;
	int ret = dir_begin(&c, arbiter->dir);

	name_files(&files, id);
	if (!ret)
		ret = dir_take(&c, &files.announced, 1);
	ret = dir_end(&c, ret, e);
	return ret < 0 ? ret : 0;
}

/*
 * One look: 1 if it was there, 0 if not. One that may not be removed, of another user in a sticky directory, has been
 * met all the same.
 */
static int find_announcement(const struct arbiter_file *arbiter, const struct dir_file *announced, struct gw_error *e)
{
	struct dir_call c;
	int ret = dir_begin(&c, arbiter->dir);

	if (!ret)
		ret = dir_look(&c, announced);
	if (ret > 0)
		dir_remove(&c, announced->name);
	return dir_end(&c, ret, e);
}

/*
 * The name is opened, not searched for in the directory's list, and the directory opened anew for each look: these are
 * the two questions that an NFS client takes to the server. Still it may answer from its cache for seconds: a server
 * whose time stamps are coarse does not show that the directory changed, and a mount with nocto does not ask. Nothing
 * tells of a file that another host made, so there is nothing to wait for but the next look.
 */
static int file_meet(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e)
{
	const uint64_t deadline_ns = clock_deadline_ns(&clock_monotonic, MEET_NS);
	const struct timespec wait = { .tv_nsec = WAIT_NS };
	const struct arbiter_file *arbiter = ctx;
	struct id_files files;
	bool last;
	int ret;

	name_files(&files, id);
	do {
		last = clock_now_ns(&clock_monotonic) >= deadline_ns;
		ret = find_announcement(arbiter, &files.announced, e);
		if (!ret && !last)
			nanosleep(&wait, NULL);
	} while (!ret && !last);
	if (ret)
		return ret < 0 ? ret : 0;
	return err_set(e, -ENOENT, WHERE,
		       "the two sides do not see the same directory: the source's %s is not here; is it mounted on "
		       "both hosts? (%s)",
		       files.announced.name, arbiter->dir);
}

/* Every step of a claim, under a name that claims nothing. */
static int file_check(void *ctx, struct gw_error *e)
{
	const struct arbiter_file *arbiter = ctx;
	struct dir_file probe = {
		.tells = "what was just written to it",
		.heads = { "godwit asks whether a claim could be made here\n" },
	};
	struct dir_call c;
	int ret = dir_begin(&c, arbiter->dir);

	if (ret)
		return dir_end(&c, ret, e);
	snprintf(probe.name, sizeof(probe.name), "check.%.*s", DIR_NAME_BYTES / 2, c.temporary);
	ret = dir_take(&c, &probe, 1);
	if (ret > 0)
		ret = dir_sync(&c);
	dir_remove(&c, probe.name);
	return dir_end(&c, ret, e);
}

static void file_close(void *ctx)
{
	struct arbiter_file *arbiter = ctx;

	free(arbiter->dir);
	free(arbiter);
}

const struct gw_arbiter_ops arbiter_file_ops = {
	.size = sizeof(arbiter_file_ops),
	.check = file_check,
	.claim = file_claim,
	.close = file_close,
	.give_back = file_give_back,
	.announce = file_announce,
	.meet = file_meet,
};

static char *absolute(const char *dir)
{
	char *here, *path = NULL;

	if (*dir == '/')
		return strdup(dir);
	here = get_current_dir_name();
	if (here && asprintf(&path, "%s/%s", here, dir) < 0)
		path = NULL;
	free(here);
	return path;
}

int arbiter_file_open(void **ctx, const char *dir, struct gw_error *e)
{
	struct arbiter_file *arbiter = calloc(1, sizeof(*arbiter));

	if (arbiter)
		arbiter->dir = absolute(dir);
	if (!arbiter || !arbiter->dir) {
		free(arbiter);
		return err_set(e, -ENOMEM, WHERE, "the directory %s cannot be made an absolute path", dir);
	}
	*ctx = arbiter;
	return 0;
}
