#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The dirty log of KVM vCPUs, of the ring and of the bitmap: test/unit/test_kvm_log.c, on a KVM whose CPU has SVM.

. /lab/lib.sh

command -v kvm_log >/dev/null || { skip kvm-log "the lab was given no build directory"; exit 0; }

# it says its own results
kvm_log | tee /tmp/kvm-log

# Elsewhere it may be skipped, but not here.
check kvm-log.ring-is-there grep -q '^ok kvm-log.ring' /tmp/kvm-log
