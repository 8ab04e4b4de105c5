/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM's executor where its PC is not built: it says so. */
#include "ref/vm/executor.h"

#include <errno.h>

int executor_kvm_usable(struct gw_error *e)
{
	return gw_error_set(e, -EOPNOTSUPP, "vCPUs", "the PC around KVM's vCPUs is x86-64's");
}

static int none_open(void **ctx, const struct executor_config *config, struct gw_error *e)
{
	return executor_kvm_usable(e);
}

const struct executor_ops executor_kvm = { .name = "KVM", .open = none_open };
