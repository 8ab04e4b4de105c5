/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/vm/vcpu.h"
