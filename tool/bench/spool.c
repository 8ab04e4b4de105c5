/* SPDX-License-Identifier: BSD-3-Clause */
/* A saved state in an unnamed file: see spool.h. */
#include "spool.h"

#include "tool/say.h"
#include "tool/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *folder(void)
{
	const char *chosen = getenv("TMPDIR");

	if (chosen && chosen[0])
		return chosen;
	return access("/var/tmp", W_OK) ? "/tmp" : "/var/tmp";
}

/* For file systems without O_TMPFILE: a name that is gone at once. */
static int open_and_unlink(const char *in)
{
	char path[4096];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/godwit-bench-XXXXXX", in) >= sizeof(path))
		return -ENAMETOOLONG;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	unlink(path);
	return fd;
}

int spool_open(struct spool *spool, uint64_t limit_bytes, struct gw_error *e)
{
	const char *in = folder();
	int fd = open(in, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		fd = open_and_unlink(in);
	*spool = (struct spool){ .fd = fd < 0 ? -1 : fd, .limit_bytes = limit_bytes };
	return fd < 0 ? gw_error_set(e, fd, "", "cannot make a temporary file in %s: %s", in, strerror(-fd)) : 0;
}

int spool_append(struct spool *spool, const void *bytes, size_t size_bytes, struct gw_error *e)
{
	if (size_bytes > spool->limit_bytes - spool->size_bytes)
		return gw_error_set(e, -EFBIG, "", "the device's state is larger than %s: see --max-state",
				    units_size(spool->limit_bytes).s);
	while (size_bytes) {
		ssize_t n = pwrite(spool->fd, bytes, size_bytes, (off_t)spool->size_bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return gw_error_set(e, -errno, "",
					    "cannot keep the device's state in %s: %s (TMPDIR chooses another)",
					    folder(), strerror(errno));
		spool->size_bytes += (uint64_t)n;
		size_bytes -= (size_t)n;
		bytes = (const char *)bytes + n;
	}
	return 0;
}

ssize_t spool_read(const struct spool *spool, uint64_t offset, void *bytes, size_t size_bytes, struct gw_error *e)
{
	ssize_t n;

	do
		n = pread(spool->fd, bytes, size_bytes, (off_t)offset);
	while (n < 0 && errno == EINTR);
	return n < 0 ? gw_error_set(e, -errno, "", "cannot read the temporary file: %s", strerror(errno)) : n;
}

void spool_close(struct spool *spool)
{
	if (spool->fd >= 0)
		close(spool->fd);
	*spool = SPOOL_NONE;
}
