/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/board/boot.h"
