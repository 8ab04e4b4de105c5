/* SPDX-License-Identifier: BSD-3-Clause */
/* A userfaultfd for write protection: system calls and their errors. Any thread. */
#include "memory/uffd.h"

#include "base/err.h"
#include "base/fd.h"
#include "memory/uapi.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PROTECT_PIECE_BYTES (256 * MIB) /* others may want the address space's lock meanwhile */

/* The device file gives whoever may open it what the system call keeps for CAP_SYS_PTRACE. */
static int open_device(void)
{
	int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd = -1;

	if (dev >= 0)
		fd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	fd_close(&dev);
	return fd;
}

static int open_any(struct uffd *uffd)
{
	uffd->user_mode_only = false;
	uffd->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd->fd < 0)
		uffd->fd = open_device();
	if (uffd->fd < 0) {
		uffd->fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
		uffd->user_mode_only = true;
	}
	return uffd->fd < 0 ? -errno : 0;
}

/* Asks for features, and returns those that the kernel has. The kernel takes one such call a fd. */
static int handshake(struct uffd *uffd, uint64_t features, uint64_t *offered)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	if (ioctl(uffd->fd, UFFDIO_API, &api))
		return -errno;
	uffd->features = features;
	*offered = api.features;
	return 0;
}

int uffd_open(struct uffd *uffd, uint64_t required, uint64_t optional, struct gw_error *e)
{
	uint64_t offered = 0;
	int ret;

	*uffd = (struct uffd){ .fd = -1 };
	ret = open_any(uffd);
	if (!ret)
		ret = handshake(uffd, 0, &offered);
	fd_close(&uffd->fd);
	if (!ret && (offered & required) != required)
		return err_set(e, -EOPNOTSUPP, "ram", "this kernel's userfaultfd lacks features 0x%llx",
			       (unsigned long long)(required & ~offered));
	if (!ret)
		ret = open_any(uffd);
	if (!ret)
		ret = handshake(uffd, required | (optional & offered), &offered);
	if (ret) {
		uffd_close(uffd);
		return err_set(e, ret, "ram", "userfaultfd cannot be opened: %s", strerror(-ret));
	}
	return 0;
}

void uffd_close(struct uffd *uffd)
{
	fd_close(&uffd->fd);
}

/* At most max_bytes of the block, but all of it where they are less than a page of the host. */
static int register_block(const struct uffd *uffd, const struct gw_ram_block *block, uint64_t max_bytes,
			  struct gw_error *e)
{
	struct uffdio_register reg = {
		.range = { .start = (uintptr_t)block->hva, .len = min_u64(block->size_bytes, max_bytes) },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int ret = ioctl(uffd->fd, UFFDIO_REGISTER, &reg);

	if (ret && errno == EINVAL && reg.range.len < block->size_bytes) {
		reg.range.len = block->size_bytes;
		ret = ioctl(uffd->fd, UFFDIO_REGISTER, &reg);
	}
	if (ret)
		return err_set(e, -errno, "ram", "writes to RAM block %s cannot be tracked by userfaultfd: %s",
			       block->id, strerror(errno));
	if (!(reg.ioctls & 1ull << _UFFDIO_WRITEPROTECT))
		return err_set(e, -EOPNOTSUPP, "ram",
			       "RAM block %s is of a kind of memory that userfaultfd cannot "
			       "write-protect here",
			       block->id);
	return 0;
}

static int register_blocks(const struct uffd *uffd, const struct ram *ram, uint64_t max_bytes, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; i < ram->nr_blocks && !ret; i++)
		ret = register_block(uffd, &ram->blocks[i], max_bytes, e);
	return ret;
}

int uffd_register(const struct uffd *uffd, const struct ram *ram, struct gw_error *e)
{
	return register_blocks(uffd, ram, UINT64_MAX, e);
}

int uffd_register_some(const struct uffd *uffd, const struct ram *ram, struct gw_error *e)
{
	return register_blocks(uffd, ram, LIMIT_CHUNK_BYTES, e);
}

void uffd_unregister(const struct uffd *uffd, void *hva, uint64_t size_bytes)
{
	struct uffdio_range range = { .start = (uintptr_t)hva, .len = size_bytes };

	ioctl(uffd->fd, UFFDIO_UNREGISTER, &range); /* fails only if it is gone already */
}

static int set_protection(const struct uffd *uffd, void *hva, uint64_t size_bytes, uint64_t mode)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)hva, .len = size_bytes },
		.mode = mode,
	};

	while (ioctl(uffd->fd, UFFDIO_WRITEPROTECT, &wp))
		if (errno != EAGAIN && errno != EINTR) /* EAGAIN: the address space is changing */
			return -errno;
	return 0;
}

int uffd_protect(const struct uffd *uffd, void *hva, uint64_t size_bytes)
{
	return set_protection(uffd, hva, size_bytes, UFFDIO_WRITEPROTECT_MODE_WP);
}

int uffd_unprotect(const struct uffd *uffd, void *hva, uint64_t size_bytes)
{
	return set_protection(uffd, hva, size_bytes, 0);
}

static int protect_block(const struct uffd *uffd, const struct gw_ram_block *block, struct gw_error *e)
{
	uint64_t at, nr;
	int ret;

	for (at = 0; at < block->size_bytes; at += nr) {
		nr = min_u64(block->size_bytes - at, PROTECT_PIECE_BYTES);
		ret = uffd_protect(uffd, (uint8_t *)block->hva + at, nr);
		if (ret)
			return err_set(e, ret, "ram", "RAM block %s cannot be write-protected: %s", block->id,
				       strerror(-ret));
	}
	return 0;
}

int uffd_protect_all(const struct uffd *uffd, const struct ram *ram, struct gw_error *e)
{
	int ret = 0;

	for (uint32_t i = 0; i < ram->nr_blocks && !ret; i++)
		ret = protect_block(uffd, &ram->blocks[i], e);
	return ret;
}
