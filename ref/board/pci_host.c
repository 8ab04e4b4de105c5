/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/board/pci_host.h"
