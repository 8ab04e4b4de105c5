/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/board/board.h"
