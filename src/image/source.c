/* SPDX-License-Identifier: BSD-3-Clause */
/* The first reading of an image, and the file that makes a second one possible. */
#include "image/source.h"

#include "image/result.h"

#include "base/bits.h"
#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_MAX_BYTES (64 * GIB)
#define PATH_BYTES        512

/* A file system may lack O_TMPFILE; then the name is there for a moment. */
static int make_spool(const char *dir)
{
	char path[PATH_BYTES];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0)
		return fd;
	if ((size_t)snprintf(path, sizeof(path), "%s/godwit-XXXXXX", dir) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

static const char *spool_dir(const struct image_source *source)
{
	const char *dir = source->watch->options.spool_dir;

	return dir ? dir : access("/var/tmp", W_OK) ? "/tmp" : "/var/tmp";
}

int image_source_open(struct image_source *source, int fd, int keep, struct image_watch *watch, struct gw_error *e)
{
	struct stat st;

	*source = (struct image_source){ .fd = fd, .spool_fd = -1, .watch = watch };
	if (fstat(fd, &st))
		return err_set(e, -errno, "image", "cannot be read: %s", strerror(errno));
	if (S_ISDIR(st.st_mode))
		return err_set(e, -EISDIR, "image", "cannot be read: it is a directory");
	if (S_ISREG(st.st_mode)) {
		source->start = lseek(fd, 0, SEEK_CUR);
		if (st.st_size > source->start)
			watch->progress.expected_bytes = (uint64_t)(st.st_size - source->start);
		return 0;
	}
	if (!keep)
		return 0;
	source->spool_fd = make_spool(spool_dir(source));
	if (source->spool_fd >= 0)
		return 0;
	return err_set(e, source->spool_fd, "image",
		       "it comes by a pipe and has to be kept until it is checked, and in %s that cannot be: %s",
		       spool_dir(source), strerror(-source->spool_fd));
}

static uint64_t max_bytes(const struct image_source *source)
{
	uint64_t max = source->watch->options.max_bytes;

	return source->spool_fd < 0 ? UINT64_MAX : max ? max : DEFAULT_MAX_BYTES;
}

static int too_long(const struct image_source *source, struct gw_error *e)
{
	return err_set(e, -EFBIG, "image",
		       "longer than the %llu bytes that are taken from a pipe (raise the limit, or save into a file)",
		       (unsigned long long)max_bytes(source));
}

/* Every block, to the end. */
static int read_all(struct image_source *source, struct image_reader *reader, struct gw_image_totals *totals,
		    struct gw_error *e)
{
	struct gw_image_progress *progress = &source->watch->progress;
	struct image_block block;
	int ret;

	do {
		ret = image_reader_next(reader, &block, e);
		image_reader_totals(reader, totals);
		progress->bytes = totals->file_bytes;
		if (ret > 0 && totals->file_bytes > max_bytes(source))
			ret = too_long(source, e);
		if (ret > 0 && image_watch_tick(source->watch))
			ret = err_set(e, -ECANCELED, "image", "stopped while it was checked");
	} while (ret > 0);
	return ret;
}

int image_source_check(struct image_source *source, struct gw_image_head *head, struct gw_image_totals *totals,
		       int (*look)(void *ctx, const struct gw_image_head *head, struct gw_error *e), void *ctx,
		       struct gw_error *e)
{
	struct image_io io = image_io(source->fd, image_watch_tick, source->watch);
	struct image_io copy = image_io(source->spool_fd, image_watch_tick, source->watch);
	struct image_reader *reader;
	int ret;

	source->watch->progress.phase = GW_IMAGE_CHECKING;
	ret = image_reader_open(&reader, &io, source->spool_fd >= 0 ? &copy : NULL, e);
	if (ret)
		return ret;
	*head = *image_reader_head(reader);
	if (!source->watch->progress.expected_bytes)
		source->watch->progress.expected_bytes = head->expected_bytes;
	ret = look ? look(ctx, head, e) : 0;
	if (!ret)
		ret = read_all(source, reader, totals, e);
	if (source->spool_fd >= 0 && (ret == -ENOSPC || ret == -EDQUOT))
		image_error_add(e, "that was in %s", spool_dir(source));
	image_reader_close(reader);
	return ret;
}

int image_source_again(struct image_source *source, struct image_reader **reader, struct gw_error *e)
{
	int fd = source->spool_fd >= 0 ? source->spool_fd : source->fd;
	struct image_io io = image_io(fd, image_watch_tick, source->watch);

	*reader = NULL;
	if (lseek(fd, source->start, SEEK_SET) < 0)
		return err_set(e, -errno, "image", "cannot be read a second time: %s", strerror(errno));
	return image_reader_open(reader, &io, NULL, e);
}

void image_source_close(struct image_source *source)
{
	fd_close(&source->spool_fd);
}
