/* SPDX-License-Identifier: BSD-3-Clause */
/* What rules need, as a table: how to see whether a device has it, and what is said where it lacks it. */
#include "needs.h"

#include <string.h>

static bool is_vfio_user(const struct trial *t)
{
	return !strcmp(t->info.backend, "vfio-user");
}

static bool has_flag(const struct trial *t, uint32_t flag)
{
	return t->info.migration_flags & flag;
}

static bool has_feature(const struct trial *t, uint32_t feature)
{
	return t->info.features & feature;
}

static bool has_p2p(const struct trial *t)
{
	return has_flag(t, GW_MIGRATION_P2P);
}

static bool has_precopy(const struct trial *t)
{
	return has_flag(t, GW_MIGRATION_PRE_COPY);
}

static bool has_precopy_info(const struct trial *t)
{
	return has_precopy(t) && has_feature(t, GW_FEATURE_PRECOPY_INFO);
}

static bool has_stop_size(const struct trial *t)
{
	return has_feature(t, GW_FEATURE_STOP_SIZE);
}

static bool has_dma_log(const struct trial *t)
{
	return t->info.dirty_source == GW_DIRTY_DEVICE;
}

static bool has_reset(const struct trial *t)
{
	return has_feature(t, GW_FEATURE_RESET);
}

static bool has_data_fd(const struct trial *t)
{
	return gw_raw_has_data_fd(t->dev) > 0;
}

static bool has_opener(const struct trial *t)
{
	return t->opener;
}

/* Asked for by whoever runs the suite, but for servers, which can only lose themselves. */
static bool is_harmless(const struct trial *t)
{
	return is_vfio_user(t);
}

static const struct need {
	uint32_t need;
	const char *name;
	bool (*met)(const struct trial *t);
	const char *missing;
} needs[] = {
	{ NEED_P2P, "P2P", has_p2p, "the device has no P2P states" },
	{ NEED_PRECOPY, "PRE_COPY", has_precopy, "the device has no pre-copy" },
	{ NEED_PRECOPY_INFO, "precopy-info", has_precopy_info, "the device does not tell its pre-copy bytes" },
	{ NEED_STOP_SIZE, "stop-size", has_stop_size, "the device does not tell its stop-copy size" },
	{ NEED_DMA_LOG, "dma-log", has_dma_log, "the device has no DMA log of its own" },
	{ NEED_RESET, "reset", has_reset, "the device has no reset" },
	{ NEED_DATA_FD, "data-fd", has_data_fd, "state travels by message: there is no data fd" },
	{ NEED_VFIO_USER, "vfio-user", is_vfio_user, "not a vfio-user device" },
	{ NEED_WRITER, "writer", trial_has_writer, "no way is known to make this device write guest memory" },
	{ NEED_DANGEROUS, "dangerous", is_harmless, "hangs some kernels (--dangerous: this one is sound)" },
	{ NEED_NO_CLIENT, "reopen", has_opener, "the device cannot be opened again" },
};

#define NR_NEEDS (sizeof(needs) / sizeof(needs[0]))

const char *needs_missing(const struct trial *t, bool dangerous)
{
	uint32_t open = t->rule->needs & ~(dangerous ? NEED_DANGEROUS : 0);

	for (unsigned i = 0; i < NR_NEEDS; i++)
		if (open & needs[i].need && !needs[i].met(t))
			return needs[i].missing;
	return NULL;
}

const char *needs_name(unsigned bit)
{
	return bit < NR_NEEDS ? needs[bit].name : NULL;
}
