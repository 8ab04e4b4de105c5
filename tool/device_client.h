/* SPDX-License-Identifier: BSD-3-Clause */
/* What "godwit device --control SOCKET COMMAND" tells a reference device that runs. */
#ifndef TOOL_DEVICE_CLIENT_H
#define TOOL_DEVICE_CLIENT_H

#include "options.h"

#include <stdbool.h>

/* Whether the words are a command to a device, and not the socket to serve one on. */
bool device_client_is_meant(const struct words *words);

/* Returns an exit_code; whatever failed has been said. control NULL: none was given. */
int device_client_run(const char *control, const struct words *words, uint32_t as_json);

#endif
