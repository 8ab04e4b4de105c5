/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * link(2) to a name that exists fails, and is atomic on local file systems and on NFS: so a file is made as a whole,
 * synced temporary and linked to its name. Whatever link answers, the file has the last word, for an NFS reply may be
 * lost: a link that was made may look failed, and a repeated one look late. st_nlink of the temporary would say less: 2
 * proves the link, but 1 may come from the client's cache and proves nothing.
 */
#include "arbiter/dir.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHERE      "arbiter"
#define HOST_BYTES 65 /* HOST_NAME_MAX and the NUL */
#define TEXT_BYTES 256

static const char *reason_of(int error)
{
	static const struct {
		int error;
		const char *reason;
	} reasons[] = {
		{ ENOENT, "it is not there; create it, or mount what it is on" },
		{ ENOTDIR, "it is not a directory" },
		{ EROFS, "the file system is read-only" },
		{ EACCES, "this process has no permission" },
		{ EPERM, "it is not permitted, or the file system has no hard links" },
		{ ENOSPC, "the file system is full" },
		{ EDQUOT, "the quota is used up" },
		{ EFBIG, "this process may not write files of that size" },
		{ EINVAL, "the file system does not offer it" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].error == error)
			return reasons[i].reason;
	return strerror(error);
}

static int failed(struct dir_call *c, int error, const char *what)
{
	int code = error == EBUSY || error == EINVAL ? -EIO : -error;

	return err_set(&c->e, code, WHERE, "%s: %s (%s)", what, reason_of(error), c->path);
}

int dir_begin(struct dir_call *c, const char *path)
{
	uint64_t nonce;

	*c = (struct dir_call){ .path = path, .fd = -1 };
	if (getrandom(&nonce, sizeof(nonce), 0) != sizeof(nonce))
		return failed(c, EIO, "no random name can be made");
	snprintf(c->temporary, sizeof(c->temporary), "%016" PRIx64 ".tmp", nonce);
	c->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return c->fd < 0 ? failed(c, errno, "the arbiter's directory cannot be opened") : 0;
}

int dir_end(struct dir_call *c, int ret, struct gw_error *e)
{
	fd_close(&c->fd);
	if (ret < 0)
		err_first(e, &c->e);
	return ret;
}

/* One read: a short one can only make the answer "not known". A link is not followed, a pipe not waited for. */
int dir_look(struct dir_call *c, const struct dir_file *file)
{
	int fd = openat(c->fd, file->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	char text[DIR_HEAD_BYTES];
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	fd_close(&fd);
	if (n < 0)
		return failed(c, errno, "a file in the arbiter's directory cannot be read");
	for (int head = 1; head <= DIR_NR_HEADS; head++) {
		size_t size = strlen(file->heads[head - 1]);

		if (size && (size_t)n >= size && !memcmp(text, file->heads[head - 1], size))
			return head;
	}
	return err_set(&c->e, -EBADMSG, WHERE, "%s is damaged, and does not say %s (%s)", file->name, file->tells,
		       c->path);
}

/* Readable by the other side whatever the umask; closed before it is linked: NFS may tell of a full disk only then. */
static int write_temporary(struct dir_call *c, const char *text)
{
	int fd = openat(c->fd, c->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int ret;

	if (fd < 0)
		return failed(c, errno, "no file can be made in the arbiter's directory");
	ret = fchmod(fd, 0644) ? -errno : fd_write_all(fd, text, strlen(text));
	if (!ret && fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret ? failed(c, -ret, "a file in the arbiter's directory cannot be written") : 0;
}

/* Makes name a file of text, whole or not at all. The temporary is removed even if making it seemed to fail. */
static int link_text(struct dir_call *c, const char *text, const char *name)
{
	int ret = write_temporary(c, text);

	if (!ret && linkat(c->fd, c->temporary, c->fd, name, 0))
		ret = failed(c, errno, "no link can be made in the arbiter's directory");
	dir_remove(c, c->temporary);
	return ret;
}

/* What is there already is found even where nothing can be written any more. */
int dir_take(struct dir_call *c, const struct dir_file *file, int head)
{
	char text[TEXT_BYTES], host[HOST_BYTES] = "";
	struct gw_error link_error;
	int ret, found;

	gethostname(host, sizeof(host) - 1);
	snprintf(text, sizeof(text), "%shost %s\npid %ld\n", file->heads[head - 1], host, (long)getpid());
	ret = link_text(c, text, file->name);
	if (!ret)
		return head;
	link_error = c->e;
	c->e = (struct gw_error)GW_ERROR_NONE;
	found = dir_look(c, file);
	if (found)
		return found;
	c->e = link_error;
	return ret;
}

int dir_sync(struct dir_call *c)
{
	return fsync(c->fd) ? failed(c, errno, "what is in the arbiter's directory cannot be made durable") : 0;
}

void dir_remove(struct dir_call *c, const char *name)
{
	unlinkat(c->fd, name, 0);
}
