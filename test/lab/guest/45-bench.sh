#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Measuring mtty, by cdev and by group, one device and two at once: that there are numbers, not what they are.

. /lab/lib.sh

command -v godwit >/dev/null || { skip bench "no godwit in this lab"; exit 0; }

# bench NAME WORD...
bench() {
	file=/tmp/$1.json
	shift
	godwit bench --json "$@" >"$file" 2>/tmp/err || { cat /tmp/err; false; }
}

mtty_create "$(uuid 1)"
mtty_create "$(uuid 2)"

check bench.cdev bench cdev "vfio:$(uuid 1)"
check bench.group bench group "vfio:$(uuid 1),group"
check bench.peer bench peer "vfio:$(uuid 1)" "vfio:$(uuid 2)"
check bench.two bench two --also "vfio:$(uuid 2)" "vfio:$(uuid 1)"
check bench.arcs grep -q '"STOP_COPY"' /tmp/cdev.json
check bench.same godwit bench --diff /tmp/cdev.json /tmp/cdev.json
check bench.fit-afterwards mtty_uart "vfio:$(uuid 1)" fill 3

mdev_remove "$(uuid 1)"
mdev_remove "$(uuid 2)"
