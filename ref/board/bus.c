/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/board/bus.h"
