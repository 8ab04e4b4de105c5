/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers of a device, with a sticky error. */
#include "ref/guest/mmio.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* An access that was cut short is a failure too. */
static void note(struct mmio *mmio, const char *what, uint64_t offset, size_t size_bytes, ssize_t ret,
		 const struct gw_error *cause)
{
	if (ret == (ssize_t)size_bytes)
		return;
	gw_error_set(&mmio->error, ret < 0 ? (int)ret : -EIO, gw_device_id(mmio->dev),
		     "%s of %zu bytes at 0x%llx of region %u failed: %s", what, size_bytes, (unsigned long long)offset,
		     mmio->region,
		     ret >= 0      ? "cut short"
		     : cause->code ? cause->what
				   : strerror((int)-ret));
}

static void get(struct mmio *mmio, uint64_t offset, void *value, size_t size_bytes)
{
	struct gw_error cause = GW_ERROR_NONE;

	memset(value, 0, size_bytes);
	if (!mmio->error.code)
		note(mmio, "read", offset, size_bytes,
		     gw_device_region_read(mmio->dev, mmio->region, offset, value, size_bytes, &cause), &cause);
}

static void put(struct mmio *mmio, uint64_t offset, const void *value, size_t size_bytes)
{
	struct gw_error cause = GW_ERROR_NONE;

	if (!mmio->error.code)
		note(mmio, "write", offset, size_bytes,
		     gw_device_region_write(mmio->dev, mmio->region, offset, value, size_bytes, &cause), &cause);
}

uint8_t mmio_get_u8(struct mmio *mmio, uint64_t offset)
{
	uint8_t value;

	get(mmio, offset, &value, sizeof(value));
	return value;
}

uint32_t mmio_get_u32(struct mmio *mmio, uint64_t offset)
{
	uint32_t value;

	get(mmio, offset, &value, sizeof(value));
	return le32toh(value);
}

uint64_t mmio_get_u64(struct mmio *mmio, uint64_t offset)
{
	uint64_t value;

	get(mmio, offset, &value, sizeof(value));
	return le64toh(value);
}

void mmio_put_u8(struct mmio *mmio, uint64_t offset, uint8_t value)
{
	put(mmio, offset, &value, sizeof(value));
}

void mmio_put_u32(struct mmio *mmio, uint64_t offset, uint32_t value)
{
	value = htole32(value);
	put(mmio, offset, &value, sizeof(value));
}

void mmio_put_u64(struct mmio *mmio, uint64_t offset, uint64_t value)
{
	value = htole64(value);
	put(mmio, offset, &value, sizeof(value));
}
