#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Reports of mediated devices by cdev and by group, and what is said of one moving to another: an equal one, one
# of another type, one of another model.

. /lab/lib.sh

command -v godwit >/dev/null || { skip report "no godwit in this lab"; exit 0; }

# report NAME URI...
report() {
	file=/tmp/$1.json
	shift
	godwit report --enter-precopy "$@" >"$file"
}

# has NAME TEXT: blanks aside.
has() { tr -d ' \t\n' <"/tmp/$1.json" | grep -qF "$2"; }

# says CODE WORD...: the verdict has that exit code and all the words.
says() {
	due=$1
	shift
	code=0
	godwit compare "$@" >/tmp/verdict || code=$?
	tail -n 2 /tmp/verdict
	[ "$code" = "$due" ]
}

# names WORD: the last verdict gives that reason.
names() { grep -qF "[$1]" /tmp/verdict || { cat /tmp/verdict; false; }; }

mtty_create "$(uuid 1)"
mtty_create "$(uuid 2)"
mdev_create mtty/mtty/mdev_supported_types/mtty-1 "$(uuid 3)"
mdpy_create "$(uuid 4)"

check report.cdev report cdev "vfio:$(uuid 1)" "vfio:$(uuid 2)"
check report.group report group "vfio:$(uuid 1),group" "vfio:$(uuid 2),group"
check report.other-type report type "vfio:$(uuid 3)"
check report.other-model report model "vfio:$(uuid 4)"
check report.one report one "vfio:$(uuid 1)"

check report.knows-cdev has cdev '"cdev":true,"iommufd":true,"container":true'
check report.knows-backend has cdev '"backend":"kernelcdev"'
check report.knows-group has group '"backend":"kernelgroup"'
check report.knows-mdev-type has cdev '"mdev_type":"mtty-2"'
check report.knows-precopy has cdev '"precopy":{"initial_bytes":24,'
check report.knows-stop-size has cdev '"stop_size_bytes":96'
check report.names-what-is-not-there has cdev '"not_found":["driver'

check report.equal-can-move says 0 --both /tmp/cdev.json /tmp/cdev.json
check report.cdev-to-group-can-move says 0 --both /tmp/cdev.json /tmp/group.json
check report.cdev-to-group-is-told names backend-differs
check report.other-type-cannot-move says 5 /tmp/one.json /tmp/type.json
check report.other-type-is-told names mdev-type-differs
check report.other-model-cannot-move says 5 /tmp/one.json /tmp/model.json
check report.other-model-is-told names device-capability
check report.one-more-cannot-move says 5 /tmp/one.json /tmp/cdev.json
check report.one-more-is-told names device-extra

# What was said to the kernel on the way.
check report.trace godwit report --trace /tmp/trace "vfio:$(uuid 1)"
check report.trace-names-ioctls grep -q VFIO_DEVICE_FEATURE /tmp/trace

# Somebody has it open.
godwit vm --cpu thread --memory 16M --vcpus 1 --device "vfio:$(uuid 1)" --control /tmp/user.sock &
user=$!
wait_for 20 test -S /tmp/user.sock
if godwit report "vfio:$(uuid 1)" >/tmp/busy.json 2>/tmp/busy.err; then
	not_ok report.in-use "a report of a device in use"
else
	check report.in-use grep -q 'does another process have it' /tmp/busy.err
fi
for command in check bench; do
	if godwit $command "vfio:$(uuid 1)" >/tmp/busy 2>/tmp/busy.err; then
		not_ok report.in-use-$command "a device in use was tried"
	else
		check report.in-use-$command grep -q 'does another process have it' /tmp/busy.err
	fi
done
kill "$user"
wait_for 10 process_gone "$user"

for n in 1 2 3 4; do
	mdev_remove "$(uuid $n)"
done
