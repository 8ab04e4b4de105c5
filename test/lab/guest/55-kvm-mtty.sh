#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The bare guest on KVM's vCPUs drives the UART of an mtty device of the kernel's, by port accesses and INTx, and moves
# ten times, back and forth between two processes and two devices. It keeps characters in the FIFO all the time: what it
# sent before a pause is what it must read after it.

. /lab/lib.sh

command -v godwit >/dev/null || { skip kvm-mtty "no godwit in this lab"; exit 0; }

moves=10

# vm_status CONTROL KEY: the first number of that name in the VM's status.
vm_status() {
	godwit vm --control "$1" status --json | tr -d ' \t\n' | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}

vm_has() {
	godwit vm --control "$1" status --json | tr -d ' \t\n' | grep -qF "$2"
}

beyond() {
	[ "$(vm_status "$1" "$2")" -gt "$3" ]
}

# The n-th VM has one of the two devices in turn, and tracks by ring and by bitmap in turn; other options are passed on.
vm_start() {
	case $(($1 % 2)) in
	0) log=ring ;;
	*) log=bitmap ;;
	esac
	which=$(uuid $((1 + $1 % 2)))
	shift
	godwit vm --cpu kvm --dirty-log $log --memory 32M --vcpus 2 --device "vfio:$which" --console /tmp/kvm-mtty.console \
		"$@" >>/tmp/kvm-mtty.log 2>&1 &
}

vm_end() {
	godwit vm --control "$1" quit >/dev/null
	wait_for 10 process_gone "$2" || { kill -9 "$2"; return 1; }
}

# move FROM TO PID: the guest goes on to the other device, in another process.
move() {
	from=/tmp/kvm-mtty.$1.sock to=/tmp/kvm-mtty.$2.sock
	before=$(vm_status "$from" operations)
	vm_start "$2" --control "$to" --incoming "unix:/tmp/kvm-mtty.$2.in"
	next=$!
	wait_for 20 test -S "$to" || { echo "no destination: $(tail -n 1 /tmp/kvm-mtty.log)"; return 1; }
	godwit migrate --control "$from" "unix:/tmp/kvm-mtty.$2.in" --downtime-limit 5s --verify --json \
		>/tmp/kvm-mtty.report || { echo "move $2: $(grep '"what"' /tmp/kvm-mtty.report)"; return 1; }
	wait_for 20 beyond "$to" operations $((before + 20)) || { echo "move $2: the UART stands still"; return 1; }
	vm_has "$to" '"guest":{"errors":0' || { godwit vm --control "$to" status; return 1; }
	vm_end "$from" "$3" || { echo "move $2: the source does not end"; return 1; }
}

for n in 1 2; do
	mtty_create "$(uuid $n)"
done

vm_start 0 --control /tmp/kvm-mtty.0.sock
pid=$!
check kvm-mtty.runs wait_for 20 vm_has /tmp/kvm-mtty.0.sock '"cpu":"KVM"'
check kvm-mtty.tracks-by-ring vm_has /tmp/kvm-mtty.0.sock '"dirty_log":"KVMdirtyring"'
check kvm-mtty.drives-the-uart wait_for 20 beyond /tmp/kvm-mtty.0.sock operations 20
if all_moves $moves >/tmp/kvm-mtty.why 2>&1; then
	ok kvm-mtty.ten-moves
	last=/tmp/kvm-mtty.$moves.sock
	check kvm-mtty.memory-is-right godwit vm --control $last check
	check kvm-mtty.guest-sees-no-error vm_has $last '"guest":{"errors":0'
	check kvm-mtty.verified grep -q '"verified": *true' /tmp/kvm-mtty.report
	check kvm-mtty.end vm_end $last "$pid"
else
	not_ok kvm-mtty.ten-moves "$(head -n 1 /tmp/kvm-mtty.why)"
	sed 's/^/# /' /tmp/kvm-mtty.why /tmp/kvm-mtty.log /tmp/kvm-mtty.console
	kill -9 "$pid" "$next" # they hold the devices
fi

for n in 1 2; do
	mdev_remove "$(uuid $n)"
done
