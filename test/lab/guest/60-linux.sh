#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# This kernel, booted by "godwit vm --kernel" on KVM's vCPUs, moves ten times from process to process, while its only
# program counts on the serial console (linux_count.c). Each process has a console file; in a row they are what one
# Linux has said: it counted on, without a gap, a repetition or damage, its kernel had nothing to say of it, and its
# clock went on while it stood still.
# seconds: 300

. /lab/lib.sh

command -v godwit >/dev/null || { skip linux "no godwit in this lab"; exit 0; }
[ -e /lab/bzImage ] || { skip linux "no kernel in this lab"; exit 0; }

moves=10
vcpus=2
dir=/tmp/linux
mkdir -p $dir

# noxsave: XSETBV in a guest passes by KVM, because TCG's SVM does not stop for it, and KVM then runs the guest with
# another XCR0 than it has set. loglevel: errors, and no warnings: that a timer interrupt took long is what any kernel
# says on a busy host, in the middle of a line.
append="console=ttyS0 acpi=off pci=conf1 reboot=t panic=-1 no_timer_check tsc=nowatchdog noxsave loglevel=4"

vm_start() {
	vm=$1
	shift
	godwit vm --cpu kvm --memory 64M --vcpus $vcpus --kernel /lab/bzImage --initrd /lab/linux.initrd \
		--append "$append" --console "$dir/$vm.console" --control "$dir/$vm.sock" "$@" >>$dir/log 2>&1 &
}

vm_end() {
	godwit vm --control "$dir/$1.sock" quit >/dev/null
	wait_for 10 process_gone "$2" || { kill -9 "$2"; return 1; }
}

# The last count on a console: "count N CPU SECONDS".
last_count() { tr -d '\r' <"$dir/$1.console" | grep -E '^count [0-9]+ [0-9]+ [0-9]+\.[0-9]{6}$' | tail -n 1; }
count_of() { last_count "$1" | cut -d ' ' -f 2; }
clock_of() { last_count "$1" | cut -d ' ' -f 4; }
host_clock() { cut -d ' ' -f 1 /proc/uptime; }

# counts VM N: it has come to N.
counts() {
	now=$(count_of "$1")
	[ "${now:-0}" -ge "$2" ]
}

# move FROM TO PID: and it counts there.
move() {
	before=$(count_of "$1")
	vm_start "$2" --incoming "unix:$dir/$2.in"
	next=$!
	wait_for 20 test -S "$dir/$2.sock" || { echo "move $2: no destination: $(tail -n 1 $dir/log)"; return 1; }
	godwit migrate --control "$dir/$1.sock" "unix:$dir/$2.in" --downtime-limit 5s --verify --json >"$dir/$2.report" \
		2>$dir/error || { echo "move $2: $(tail -n 1 $dir/error)"; return 1; }
	wait_for 20 counts "$2" $((before + 10)) || { echo "move $2: it does not count on"; return 1; }
	vm_end "$1" "$3" || { echo "move $2: the source does not end"; return 1; }
}

# All that was said, without the last line, which the end may have cut.
all_consoles() {
	n=0
	while [ $n -le $moves ]; do
		cat "$dir/$n.console"
		n=$((n + 1))
	done | tr -d '\r' | sed '$d'
}

# From the first count on nothing but counts, each the next one, on the CPU whose turn it is, and never earlier.
# shellcheck disable=SC2016	# awk's
counts_right='
function wrong(why) { print "line " NR " (\"" $0 "\"): " why; bad = 1; exit 1 }
/^counting on / { started = 1; cpus = $3; next }
!started { next }
!/^count [0-9]+ [0-9]+ [0-9]+\.[0-9][0-9][0-9][0-9][0-9][0-9]$/ { wrong("is no count") }
$2 != n { wrong("instead of " n + 0) }
$3 != n % cpus { wrong("not the CPU whose turn it is") }
$4 + 0 < clock { wrong("the clock was " clock " before") }
{ n++; clock = $4 + 0 }
END { if (!bad && n < least) { print n + 0 " counts"; exit 1 } exit bad }'

is_quiet() {
	! grep -Ei 'BUG|Oops|stall|lockup|clocksource|hung|WARNING|Call Trace|panic' $dir/said
}

# Between the last count here and the first one there the guest's clock has passed by what the report calls downtime,
# of which a little is spent while it still runs, or runs again.
pauses_are_seen() {
	n=0
	while [ $n -lt $moves ]; do
		away=$(clock_of $n)
		n=$((n + 1))
		back=$(tr -d '\r' <"$dir/$n.console" | grep -m 1 -E '^count [0-9]+ [0-9]+ [0-9]+\.[0-9]{6}$' | cut -d ' ' -f 4)
		downtime=$(tr -d ' \t\n' <"$dir/$n.report" | sed -n 's/.*"downtime_ms":\([0-9.]*\).*/\1/p')
		echo "move $n: downtime $downtime ms, from count to count $away to $back s" >>$dir/pauses
		awk -v a="$away" -v b="$back" -v d="$downtime" 'BEGIN { exit !(d > 0 && (b - a) * 1000 + 30 >= d) }' ||
			{ tail -n 1 $dir/pauses; return 1; }
	done
}

# ahead VM: how far the guest's clock is ahead of this one's, in s; of some looks the one at the freshest count.
ahead() {
	looks=20
	while [ $looks -gt 0 ]; do
		echo "$(clock_of "$1") $(host_clock)"
		sleep 0.1
		looks=$((looks - 1))
	done | awk 'NR == 1 || $1 - $2 > most { most = $1 - $2 } END { print most }'
}

# mhz TEXT: of the TSC, as this kernel has found it.
mhz() { dmesg | sed -n "s/.*$1 \([0-9.]*\) MHz.*/\1/p" | tail -n 1; }

# The guest's clock has passed by as much as this one, but for its rate: KVM goes by what the TSC was first taken for,
# and this kernel by what it has measured since (see "boot"). What the pauses were in all is more than is let pass here.
clocks_agree() {
	awk -v began="$ahead_at_first" -v ended="$ahead_at_last" -v ran="$host_ran" -v first="$(mhz 'tsc: Detected')" \
		-v since="$(mhz 'Refined TSC clocksource calibration:')" 'BEGIN {
			off = ended - began - ran * ((since ? since : first) / first - 1)
			print "in " ran " s the clock in the guest went wrong by " off " s"
			exit !((off < 0 ? -off : off) <= 0.2)
		}' >$dir/clocks && return
	cat $dir/clocks
	return 1
}

vm_start 0
pid=$!
if ! wait_for 60 counts 0 20; then
	not_ok linux.boots "$(tail -n 1 $dir/log); $(tail -n 1 $dir/0.console)"
	sed 's/^/# /' $dir/0.console
	exit 0
fi
ok linux.boots
host_began=$(host_clock)
ahead_at_first=$(ahead 0)

if ! all_moves $moves >$dir/why 2>&1; then
	not_ok linux.ten-moves "$(tail -n 1 $dir/why)"
	sed 's/^/# /' $dir/log
	exit 0
fi
ok linux.ten-moves
ahead_at_last=$(ahead $moves)
host_ran=$(awk -v a="$host_began" -v b="$(host_clock)" 'BEGIN { print b - a }')
check linux.end vm_end $moves "$pid"

all_consoles >$dir/said
check linux.counts-on awk -v least=$((20 + 10 * moves)) "$counts_right" $dir/said
check linux.kernel-notices-nothing is_quiet
check linux.clock-shows-the-pauses pauses_are_seen
check linux.clock-is-the-hosts clocks_agree
cat $dir/pauses $dir/clocks
