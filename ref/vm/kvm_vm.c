/* SPDX-License-Identifier: BSD-3-Clause */
#include "ref/vm/kvm_vm.h"
