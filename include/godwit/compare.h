/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whether devices could migrate, by what is known of them, with none of them at hand and nothing begun: the rules by
 * which a migration's source and destination refuse, before anything else, what cannot be.
 */
#ifndef GODWIT_COMPARE_H
#define GODWIT_COMPARE_H

#include <godwit/device.h>
#include <godwit/report.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A device of one side. */
struct gw_device_facts {
	char id[GW_DEVICE_ID_BYTES]; /* what is compared with what: the same id on both sides */
	struct gw_device_info info;
};

/*
 * All that speaks against the source's devices, as those of one VM, migrating to the destination's. flags:
 * GW_ALLOW_NO_P2P. Returns how many blockers there are, GW_MAX_BLOCKERS at most, and fills the first max_blockers of
 * them; or -EINVAL (more than GW_MAX_DEVICES on a side), -ENOMEM. Codes: doc/api.md. RAM, and the states that the
 * devices are in, are not asked about.
 */
int gw_compare_devices(const struct gw_device_facts *source, uint32_t nr_source,
		       const struct gw_device_facts *destination, uint32_t nr_destination, uint32_t flags,
		       struct gw_blocker *blockers, uint32_t max_blockers);

#ifdef __cplusplus
}
#endif
#endif
