#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The reference VM with two mtty devices moves to a second process, by cdev and by group.
# The second run takes the devices as the first left them, in whatever state.

. /lab/lib.sh

command -v godwit >/dev/null || { skip migrate "no godwit in this lab"; exit 0; }

# vm_has CONTROL TEXT: TEXT is in the VM's status, blanks aside.
vm_has() {
	godwit vm --control "$1" status --json | tr -d ' \t\n' | grep -qF "$2"
}

# How often the guest has checked its devices: scratch register, FIFO, line and modem control of each UART.
vm_steps() {
	godwit vm --control "$1" status --json | tr -d ' \t\n' | sed -n 's/.*"operations":\([0-9]*\).*/\1/p'
}

# vm_steps_beyond CONTROL COUNT
vm_steps_beyond() {
	[ "$(vm_steps "$1")" -gt "$2" ]
}

vm_start() {
	godwit vm --cpu thread --memory 32M --vcpus 1 "$@" &
}

# vm_end NAME PID: it ends when asked to.
vm_end() {
	kill "$2" 2>/dev/null || :
	if ! wait_for 10 process_gone "$2"; then
		not_ok "$1" "the VM does not end on SIGTERM"
		kill -9 "$2"
	fi
}

# On a busy host this machine dirties memory faster than it sends it: with the usual limit it would never end.
move() {
	godwit migrate --control "$1" "$2" --downtime-limit 20s --verify --json >/tmp/report
}

# migrate NAME DEVICE_OPTION URI
migrate() {
	name=$1 option=$2 uri=$3
	src=/tmp/$name.src.sock
	dst=/tmp/$name.dst.sock

	vm_start --device "vfio:$(uuid 1)$option" --device "vfio:$(uuid 2)$option" --control "$src"
	src_pid=$!
	vm_start --device "vfio:$(uuid 3)$option" --device "vfio:$(uuid 4)$option" --control "$dst" \
		--incoming "$uri"
	dst_pid=$!

	check "$name.source-runs" wait_for 20 vm_has "$src" '"state":"running"'
	check "$name.destination-waits" wait_for 20 test -S "$dst"
	check "$name.source-drives-devices" wait_for 20 vm_steps_beyond "$src" 20
	check "$name.migrate" move "$src" "$uri"
	check "$name.verified" grep -q '"verified": *true' /tmp/report
	steps=$(vm_steps "$src")
	check "$name.destination-drives-devices" wait_for 20 vm_steps_beyond "$dst" $((steps + 20))
	check "$name.destination-runs" wait_for 5 vm_has "$dst" '"state":"running"'
	check "$name.guest-sees-no-error" vm_has "$dst" '"guest":{"errors":0'
	if vm_has "$src" '"state":"running"' 2>/dev/null; then
		not_ok "$name.source-has-let-go" "both sides run the guest"
	else
		ok "$name.source-has-let-go"
	fi
	vm_end "$name.source-end" "$src_pid"
	vm_end "$name.destination-end" "$dst_pid"
}

for n in 1 2 3 4; do
	mtty_create "$(uuid $n)"
done

migrate migrate.cdev-tcp '' tcp:127.0.0.1:7000
migrate migrate.group-unix ,group unix:/tmp/migrate.sock

for n in 1 2 3 4; do
	mdev_remove "$(uuid $n)"
done
