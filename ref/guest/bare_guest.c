/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/guest/bare_guest.h"
