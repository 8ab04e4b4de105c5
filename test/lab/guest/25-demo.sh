#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# What a static godwit does without anything around it: vfio-user devices, and migrations between processes by
# address over loopback.

. /lab/lib.sh

command -v godwit >/dev/null || { skip demo "no godwit in this lab"; exit 0; }

# demo TRANSPORT
demo() {
	godwit demo --memory 32M --vcpus 1 --devices 2 --state-size 1M --dirty-rate 10M --downtime-limit 20s \
		--transport "$1" --json >/tmp/demo && grep -q '"outcome": *"completed"' /tmp/demo
}

check demo.tcp demo tcp
check demo.unix demo unix
