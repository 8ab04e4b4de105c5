# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=sh
#
# What the lab's tests share. Read by them with `. /lab/lib.sh`.

set -eu

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1 - $2"; }
skip() { echo "skip $1 - $2"; }

# check NAME COMMAND...: ok if the command succeeds, else not ok with its last line as the
# reason. The script goes on in either case.
check() {
	check_name=$1
	shift
	if "$@" >/tmp/check.out 2>&1; then
		ok "$check_name"
	else
		not_ok "$check_name" "exit code $?: $(tail -n 1 /tmp/check.out)"
	fi
}

# wait_for SECONDS COMMAND...: until the command succeeds; fails when it never does.
wait_for() {
	wait_left=$(($1 * 10))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $wait_left -gt 0 ] || return 1
		wait_left=$((wait_left - 1))
		sleep 0.1
	done
}

# A child that has ended and was not waited for still takes signals: look at its state.
process_gone() {
	! grep -q '^State:.[^Z]' "/proc/$1/status" 2>/dev/null
}

# A UUID that depends on the number alone.
uuid() { printf '00000000-0000-4000-8000-%012d\n' "$1"; }

mdev_create() { echo "$2" >"/sys/class/$1/create"; }

# Devices of the kernel's samples: mtty with two ports (migrates), mdpy (does not).
mtty_create() { mdev_create mtty/mtty/mdev_supported_types/mtty-2 "$1"; }
mdpy_create() { mdev_create mdpy/mdpy/mdev_supported_types/mdpy-vga "$1"; }
mdev_remove() { echo 1 >"/sys/bus/mdev/devices/$1/remove"; }

# vfio_cdev UUID: the path of its device node.
vfio_cdev() {
	for vfio_node in "/sys/bus/mdev/devices/$1/vfio-dev/"vfio*; do
		[ -e "$vfio_node" ] || return 1
		echo "/dev/vfio/devices/${vfio_node##*/}"
		return
	done
}

# vfio_group UUID: the path of its group's node.
vfio_group() {
	vfio_link=$(readlink "/sys/bus/mdev/devices/$1/iommu_group") || return 1
	echo "/dev/vfio/${vfio_link##*/}"
}

# all_moves N: from VM 0, whose process is $pid, to VM N by the script's own "move FROM TO PID", which leaves the new
# process in $next; $pid is the last one then.
all_moves() {
	moves_done=0
	while [ $moves_done -lt "$1" ]; do
		move $moves_done $((moves_done + 1)) "$pid" || return 1
		pid=$next
		moves_done=$((moves_done + 1))
	done
}
