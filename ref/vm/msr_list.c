/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/vm/msr_list.h"
