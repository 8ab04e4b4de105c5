#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The state of KVM vCPUs, chips and clock, and what a guest needs of a host: the unit tests refvm_state,
# refvm_clock and refvm_facts on a KVM whose CPU has SVM, and which sets a guest's TSC.

. /lab/lib.sh

command -v kvm_state >/dev/null || { skip kvm-state "the lab was given no build directory"; exit 0; }

# they say their own results
kvm_facts
kvm_clock
kvm_state | tee /tmp/kvm-state

# Elsewhere they may be skipped, but not here.
check kvm-state.kvm-is-there grep -q '^ok kvm-state.vcpus' /tmp/kvm-state
