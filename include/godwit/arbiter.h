/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The arbiter: a place that both hosts reach, where exactly one side of a migration can claim its id. The
 * destination claims before it runs the guest, a source that has sent COMMIT claims before it takes the guest back;
 * so a lost connection cannot leave the question of who has the guest open, on any side that reaches the arbiter. A
 * destination whose guest could not be started gives its claim back, unless the source has been told of it and let the
 * guest go. And before any state is sent the two sides meet at the arbiter: a claim decides nothing if each side asks
 * another place.
 *
 * Threads: every call but close may block for as long as the storage or the network behind it does; godwit makes them
 * from a worker thread of its own, never while it holds anything that another thread waits for. Calls on one arbiter
 * may come from several threads at once, for the same or for different ids. An arbiter is owned by whoever opened
 * it, may serve any number of migrations, and outlives them all.
 */
#ifndef GODWIT_ARBITER_H
#define GODWIT_ARBITER_H

#include <godwit/error.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gw_arbiter;

#define GW_ARBITER_ID_BYTES 16

/* Who claims. Only these two numbers are sides. */
enum gw_side { GW_SIDE_SOURCE = 1, GW_SIDE_DESTINATION = 2 };

/*
 * What an arbiter does. Whoever has a consensus store (etcd, a database that can compare and set) fills one of
 * these; godwit's own "file:DIR" fills the same table. Every function may be called by several threads at once, and
 * sets *e when it does not return 0 (e may be NULL).
 */
struct gw_arbiter_ops {
	uint32_t size; /* sizeof(struct gw_arbiter_ops) of the caller */

	/*
	 * Could a claim be made now? Asked before anything starts, so that a missing arbiter is found while the guest
	 * still runs untouched. Claims nothing and leaves nothing behind. 0, or -errno.
	 */
	int (*check)(void *ctx, struct gw_error *e);

	/*
	 * Claims id for side.
	 *
	 * 0:       this side owns the id, for ever; a destination, until it gives it back. Also if it had claimed it
	 *          before, in this process or in another: a claim may be repeated, and gives the same answer.
	 * -EBUSY:  the other side owns it, for ever. A source that is told so lets its guest go; therefore the answer
	 *          -EBUSY to the source and a give_back exclude each other, for ever. That the source will be told is
	 *          made durable before it is, and a later give_back finds that and fails. An earlier one is found
	 *          here: the source owns the id then, and the answer is 0.
	 * another -errno: not known. The claim may or may not have been made, or may yet be when a late request
	 *          reaches the store. Nothing may be concluded; ask again.
	 *
	 * 0 and -EBUSY are promises: both must survive a crash of every machine involved, the store's too, before they
	 * are given. No id may be forgotten while one of its two sides could still ask.
	 */
	int (*claim)(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], enum gw_side side, struct gw_error *e);

	/* Called once, by gw_arbiter_close; may be NULL. */
	void (*close)(void *ctx);

	/*
	 * The destination's, which owns id, and whose guest has not run and never will: from now on the source owns it.
	 *
	 * 0:       a claim of the source is granted, one of the destination is -EBUSY, both for ever. A promise as
	 *          those of claim are, and it may be repeated, also after the source has claimed.
	 * -EBUSY:  a claim of the source has been answered by -EBUSY, or will be: it has let go, and the guest can only
	 *          run here. The destination owns the id for ever, also a promise.
	 * -EINVAL: the destination does not own the id: it was not claimed, or the source was first. Nothing changes.
	 * another -errno: not known. The source may own it now, or yet; ask again.
	 *
	 * NULL: cannot be given back.
	 */
	int (*give_back)(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e);

	/*
	 * Do both sides see the same place? The source announces id, is answered, and then only tells the destination
	 * that it did (it sends its manifest); the destination meets the announcement before it accepts. Neither claims
	 * anything, nor needs to survive a crash.
	 *
	 * announce: 0, also if it was announced before; or -errno: not known, may be repeated.
	 * meet:     0: it was there, and is used up, so this is asked once. -ENOENT: it is not there: the two sides do
	 *           not see the same place, or this one is not there at all. Another -errno: not known, ask again. A
	 *           store that may be late to show what the other host wrote looks again for a while before it says
	 *           -ENOENT.
	 *
	 * Both may be NULL: for a store that is one by its nature.
	 */
	int (*announce)(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e);
	int (*meet)(void *ctx, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e);
};

/*
 * Opens an arbiter by URI. "file:DIR": a directory on storage that both hosts see, on a file system with hard
 * links: NFS, a cluster file system, or one local to both sides if they share a host. An owned id is a file
 * DIR/<32 hex digits>.owner, readable text; if it is the destination's, a .settled beside it says what became of its
 * claim: "returned", by give_back, or "kept", by a claim of the source. A relative DIR counts from the directory the
 * process is in now. Only the URI is judged here (-EINVAL); whether DIR is there and can hold a claim is what
 * gw_arbiter_check finds out.
 *
 * - That both sides' DIR is the same is found out by announce and meet, through a file .announced: a mount that is
 *   missing on one host ends the migration before it began, after 3 s in which meet looks again and again, for an NFS
 *   client may be late to see a new file. It cannot find out that DIR is unmounted later: use a directory inside the
 *   shared file system, not its mount point, so that what a missing mount leaves is no directory.
 * - Whoever may write in DIR may decide. The files of an id may be removed when both sides have ended, not before:
 *   .owner and .settled stay, .announced if the destination did not get as far as to meet it or may not remove it.
 * - Where nothing can be written, a full disk or a read-only one, a source cannot be told for the first time that the
 *   destination owns the id: "not known". Whatever has been answered before is answered again.
 * - No time limit can be enforced: an NFS server that does not answer keeps a hard mount's calls waiting, for ever if
 *   need be. An NFS export must be "sync" (the default), or the promises of claim do not survive the server's crash.
 * - A process that is killed inside a call may leave a *.tmp file. It means nothing and may be removed.
 */
int gw_arbiter_open(struct gw_arbiter **arbiter, const char *uri, struct gw_error *e);

/*
 * The caller's own. ops is copied; ctx must live until gw_arbiter_close, which calls ops->close(ctx). If this fails,
 * ctx stays the caller's and close is not called. -EINVAL: no table, its size not set, or no check or claim in it.
 */
int gw_arbiter_from_ops(struct gw_arbiter **arbiter, const struct gw_arbiter_ops *ops, void *ctx, struct gw_error *e);

/* Not while a call on it is under way. NULL is fine. */
void gw_arbiter_close(struct gw_arbiter *arbiter);

/*
 * The ops above, one call each, with their arguments checked; *e is set whenever they do not return 0, also for -EBUSY.
 * An id of zeros, or a claim of no side, is -EINVAL and does not reach the table; an answer that is neither 0 nor
 * -errno is -EPROTO. Both mean "not known". Without give_back in the table gw_arbiter_give_back is -EOPNOTSUPP; without
 * announce or meet, that call is 0.
 */
int gw_arbiter_check(struct gw_arbiter *arbiter, struct gw_error *e);
int gw_arbiter_claim(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES], enum gw_side side,
		     struct gw_error *e);
int gw_arbiter_give_back(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e);
int gw_arbiter_announce(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e);
int gw_arbiter_meet(struct gw_arbiter *arbiter, const uint8_t id[GW_ARBITER_ID_BYTES], struct gw_error *e);

#ifdef __cplusplus
}
#endif
#endif
