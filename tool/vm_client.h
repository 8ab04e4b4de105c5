/* SPDX-License-Identifier: BSD-3-Clause */
/* "godwit vm ... WORD": one command to a running VM, and its answer for a person. */
#ifndef TOOL_VM_CLIENT_H
#define TOOL_VM_CLIENT_H

#include <stdint.h>

struct vm_request {
	const char *control, *command, *word; /* word: after the command; NULL: none */
	uint32_t json, other_side_stopped, force;
};

/* Returns an exit_code; whatever failed has been said. */
int vm_client_run(const struct vm_request *request);

#endif
