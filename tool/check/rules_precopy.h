/* SPDX-License-Identifier: BSD-3-Clause */
/* The group "precopy" is in two files; rules_precopy() lists both. */
#ifndef TOOL_CHECK_RULES_PRECOPY_H
#define TOOL_CHECK_RULES_PRECOPY_H

#include "check.h"

void rules_precopy_info(struct rule_list *list); /* what GET_PRECOPY_INFO says, and of what kind its answers are */

#define PRECOPY_INFO_PLACE "linux/vfio.h (since 6.2), VFIO_MIG_GET_PRECOPY_INFO: "

#endif
