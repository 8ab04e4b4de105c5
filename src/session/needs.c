/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's needs, asked for and compared: see <godwit/vm.h>, needs and lacks. */
#include "session/needs.h"

#include "base/bits.h"
#include "base/err.h"
#include "model/limits.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int needs_ask(const struct gw_vm *vm, uint8_t **needs, size_t *nr_bytes, struct gw_error *e)
{
	uint8_t *bytes;
	ssize_t n;
	int ret = 0;

	*needs = NULL;
	*nr_bytes = 0;
	if (!vm_has_op(vm, needs))
		return 0;
	bytes = malloc(GW_MAX_NEEDS_BYTES);
	if (!bytes)
		return err_set(e, -ENOMEM, "VM", "no memory for what the guest needs of a host");
	n = vm->ops->needs(vm->ctx, bytes, GW_MAX_NEEDS_BYTES, e);
	if (n < 0)
		ret = err_set(e, (int)n, "VM", "the VM cannot tell what its guest needs of a host: %s",
			      strerror((int)-n));
	else if (n > GW_MAX_NEEDS_BYTES)
		ret = err_set(e, -EMSGSIZE, "VM",
			      "the VM tells in %zd bytes what its guest needs; at most %u can be sent", n,
			      GW_MAX_NEEDS_BYTES);
	if (ret || !n) {
		free(bytes);
		return ret;
	}
	*needs = bytes;
	*nr_bytes = (size_t)n;
	return 0;
}

/* The VM's code is not one that a reader of the reasons knows: the sentence and its place are the VM's. */
static void add_lack(struct gw_blocker *lack, struct reasons *reasons)
{
	lack->where[sizeof(lack->where) - 1] = 0;
	lack->what[sizeof(lack->what) - 1] = 0;
	reasons_add(reasons, REASON_HOST_LACKS, lack->where, "%s",
		    lack->what[0] ? lack->what
				  : "this host lacks something that the guest needs; its VMM says not what");
}

int needs_check(const struct gw_vm *vm, const uint8_t *needs, size_t nr_bytes, struct reasons *reasons,
		struct gw_error *e)
{
	struct gw_blocker *lacks;
	int nr;

	if (!vm_has_op(vm, lacks))
		return 0;
	lacks = calloc(LIMIT_REASONS, sizeof(*lacks));
	if (!lacks)
		return err_set(e, -ENOMEM, "VM", "no memory for what this host lacks");
	nr = vm->ops->lacks(vm->ctx, nr_bytes ? (const void *)needs : "", nr_bytes, lacks, LIMIT_REASONS);
	if (nr < 0)
		reasons_add(reasons, REASON_HOST_LACKS, "host",
			    "the destination's VMM cannot tell whether this host has what the guest needs: %s",
			    strerror(-nr));
	for (int i = 0; i < nr && i < LIMIT_REASONS; i++)
		add_lack(&lacks[i], reasons);
	free(lacks);
	return 0;
}
