/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations of the reference device, by its registers: see ref/device_registers.h. */
#include "refdev.h"

#include "ref/device_registers.h"
#include "tool/now.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define PATIENCE_NS 1000000000u

bool refdev_is(const struct gw_device_info *info)
{
	return info->vendor_id == REFDEV_VENDOR_ID && info->device_id == REFDEV_DEVICE_ID;
}

static int transfer(ssize_t n, size_t size_bytes)
{
	if (n < 0)
		return (int)n;
	return (size_t)n == size_bytes ? 0 : -EIO;
}

static int put_u32(struct gw_device *dev, uint64_t reg, uint32_t value)
{
	uint32_t raw = htole32(value);

	return transfer(gw_device_region_write(dev, REFDEV_BAR_REGISTERS, reg, &raw, sizeof(raw), NULL), sizeof(raw));
}

static int put_u64(struct gw_device *dev, uint32_t bar, uint64_t offset, uint64_t value)
{
	uint64_t raw = htole64(value);

	return transfer(gw_device_region_write(dev, bar, offset, &raw, sizeof(raw), NULL), sizeof(raw));
}

static int get_u64(struct gw_device *dev, uint32_t bar, uint64_t offset, uint64_t *value)
{
	uint64_t raw = 0;
	int ret = transfer(gw_device_region_read(dev, bar, offset, &raw, sizeof(raw), NULL), sizeof(raw));

	*value = le64toh(raw);
	return ret;
}

static int get_u32(struct gw_device *dev, uint64_t reg, uint32_t *value)
{
	uint32_t raw = 0;
	int ret = transfer(gw_device_region_read(dev, REFDEV_BAR_REGISTERS, reg, &raw, sizeof(raw), NULL), sizeof(raw));

	*value = le32toh(raw);
	return ret;
}

/* Every look is a round trip, so to look again at once is no busy loop. */
static int wait_done(struct gw_device *dev)
{
	uint64_t deadline_ns = now_ns() + PATIENCE_NS;
	uint32_t status;

	do {
		int ret = get_u32(dev, REFDEV_REG_OP_STATUS, &status);

		if (ret)
			return ret;
		if (status != REFDEV_STATUS_BUSY)
			return status == REFDEV_STATUS_DONE ? 0 : -EIO;
	} while (now_ns() < deadline_ns);
	return -ETIMEDOUT;
}

struct operation {
	uint32_t code;
	uint64_t guest, local, length, seed;
};

static int run(struct gw_device *dev, const struct operation *op)
{
	const struct {
		uint64_t reg, value;
	} writes[] = {
		{ REFDEV_REG_OP_GUEST, op->guest },
		{ REFDEV_REG_OP_LOCAL, op->local },
		{ REFDEV_REG_OP_LENGTH, op->length },
		{ REFDEV_REG_OP_SEED, op->seed },
		{ REFDEV_REG_OP_RATE, 0 },
	};
	int ret = put_u32(dev, REFDEV_REG_OP_CODE, op->code);

	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]) && !ret; i++)
		ret = put_u64(dev, REFDEV_BAR_REGISTERS, writes[i].reg, writes[i].value);
	if (!ret)
		ret = put_u32(dev, REFDEV_REG_OP_DOORBELL, 1);
	return ret ? ret : wait_done(dev);
}

int refdev_fill(struct gw_device *dev, uint64_t seed)
{
	struct operation op = { .code = REFDEV_OP_FILL, .seed = seed };
	int ret = get_u64(dev, REFDEV_BAR_REGISTERS, REFDEV_REG_MEMORY_SIZE, &op.length);

	return ret ? ret : run(dev, &op);
}

int refdev_poke(struct gw_device *dev, uint64_t offset, uint64_t word)
{
	return put_u64(dev, REFDEV_BAR_MEMORY, offset, word);
}

int refdev_peek(struct gw_device *dev, uint64_t offset, uint64_t *word)
{
	return get_u64(dev, REFDEV_BAR_MEMORY, offset, word);
}

int refdev_write_guest(struct gw_device *dev, uint64_t iova)
{
	const struct operation op = { .code = REFDEV_OP_COPY_OUT, .guest = iova, .length = sizeof(uint64_t) };

	return run(dev, &op);
}
