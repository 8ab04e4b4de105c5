#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What a static godwit does without anything around it: vfio-user devices, and migrations between processes by
# address over loopback.

. /lab/lib.sh

command -v godwit >/dev/null || { skip demo "no godwit in this lab"; exit 0; }

# demo CPU TRANSPORT
demo() {
	godwit demo --cpu "$1" --memory 32M --vcpus 1 --devices 2 --state-size 1M --dirty-rate 10M --downtime-limit 20s \
		--transport "$2" --json >/tmp/demo && grep -q '"outcome": *"completed"' /tmp/demo
}

check demo.tcp demo thread tcp
check demo.unix demo thread unix
check demo.kvm demo kvm unix
check demo.kvm-has-checked-itself grep -q '"verified": *true' /tmp/demo
