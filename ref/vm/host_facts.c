/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/vm/host_facts.h"
