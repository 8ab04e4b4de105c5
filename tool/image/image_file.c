/* SPDX-License-Identifier: BSD-3-Clause */
/* A file that appears when it is whole: see image_file.h. */
#include "image_file.h"

#include "tool/say.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int cannot(struct gw_error *e, const char *path, const char *what)
{
	return gw_error_set(e, -errno, "", "%s: cannot be %s: %s", path, what, strerror(errno));
}

static int open_stdout(struct image_file *file, struct gw_error *e)
{
	if (isatty(STDOUT_FILENO))
		return gw_error_set(e, -EINVAL, "",
				    "an image is not for a terminal: name a file, or pipe it into something");
	file->fd = STDOUT_FILENO;
	return 0;
}

static bool is_same_file(int fd, const char *path)
{
	struct stat a, b;

	return !fstat(fd, &a) && !lstat(path, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/*
 * The lock says that somebody is at work there; a FILE.part without one was left by who was killed, and is taken over.
 * Between open and flock another one may have finished and renamed it: then this is its file, and not ours.
 */
static int lock_part(struct image_file *file, struct gw_error *e)
{
	for (;;) {
		file->fd = open(file->part, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (file->fd < 0)
			return cannot(e, file->part, "made");
		if (flock(file->fd, LOCK_EX | LOCK_NB)) {
			close(file->fd);
			file->fd = -1;
			return gw_error_set(e, -EBUSY, "", "%s: another save is writing it", file->part);
		}
		if (is_same_file(file->fd, file->part))
			return ftruncate(file->fd, 0) ? cannot(e, file->part, "emptied") : 0;
		close(file->fd);
	}
}

/* FILE.part stands beside the file itself, not beside a link to it: /dev/stdout may be one. */
static int name_part(struct image_file *file, const struct stat *st, struct gw_error *e)
{
	if (st)
		file->place = realpath(file->path, NULL);
	else
		file->place = strdup(file->path);
	if (!file->place)
		return cannot(e, file->path, "opened");
	if (asprintf(&file->part, "%s.part", file->place) >= 0)
		return 0;
	file->part = NULL;
	return gw_error_set(e, -ENOMEM, "", "out of memory");
}

int image_file_open(struct image_file *file, const char *path, struct gw_error *e)
{
	struct stat st;
	bool exists;
	int ret;

	*file = (struct image_file){ .path = path, .fd = -1 };
	if (!strcmp(path, "-"))
		return open_stdout(file, e);
	exists = !stat(path, &st);
	if (exists && S_ISDIR(st.st_mode))
		return gw_error_set(e, -EISDIR, "", "%s: it is a directory", path);
	if (exists && !S_ISREG(st.st_mode)) {
		file->fd = open(path, O_WRONLY | O_CLOEXEC);
		return file->fd < 0 ? cannot(e, path, "opened") : 0;
	}
	ret = name_part(file, exists ? &st : NULL, e);
	if (!ret)
		ret = lock_part(file, e);
	if (ret) {
		free(file->part); /* not ours, so not ours to remove */
		file->part = NULL;
	}
	return ret;
}

uint64_t image_file_room(const struct image_file *file)
{
	struct statvfs vfs;

	if (!file->part || fstatvfs(file->fd, &vfs))
		return UINT64_MAX;
	return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}

/* A name is on the disk when its directory is. */
static int sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	int ret = fd < 0 ? -1 : fsync(fd);

	free(dir);
	if (fd >= 0)
		close(fd);
	return ret;
}

int image_file_keep(struct image_file *file, struct gw_error *e)
{
	/* Pipes and devices have no disk to be on. */
	if (!file->part)
		return fsync(file->fd) && errno != EINVAL && errno != EROFS && errno != ENOTSUP
			       ? cannot(e, file->path, "brought to the disk")
			       : 0;
	if (fsync(file->fd))
		return cannot(e, file->part, "brought to the disk");
	if (rename(file->part, file->place))
		return cannot(e, file->part, "renamed");
	free(file->part);
	file->part = NULL;
	return sync_directory(file->place) ? cannot(e, file->path, "brought to the disk by its name") : 0;
}

void image_file_close(struct image_file *file)
{
	if (file->part)
		unlink(file->part);
	free(file->part);
	free(file->place);
	file->part = file->place = NULL;
	if (file->fd >= 0 && file->fd != STDOUT_FILENO)
		close(file->fd);
	file->fd = -1;
}

int image_file_read(const char *path, struct gw_error *e)
{
	int fd;

	if (!strcmp(path, "-"))
		return isatty(STDIN_FILENO) ? gw_error_set(e, -EINVAL, "",
							   "an image does not come from a terminal: name a file, "
							   "or pipe one in")
					    : STDIN_FILENO;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? cannot(e, path, "opened") : fd;
}
