#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The conformance suite on mtty, by cdev and by group: it breaks the rules of mtty.known, each for the reason
# given there, and no other.

. /lab/lib.sh

command -v godwit >/dev/null || { skip check "no godwit in this lab"; exit 0; }

known=/lab/mtty.known

# suite NAME EXIT_CODE WORD...: godwit check ends so. What it says of rules that failed is for who reads the log.
suite() {
	name=$1 due=$2 code=0
	shift 2
	godwit check "$@" >/tmp/suite 2>/tmp/err || code=$?
	if [ $code = "$due" ]; then
		ok "$name"
	else
		not_ok "$name" "exit code $code: $(tail -n 1 /tmp/suite) $(tail -n 1 /tmp/err)"
		show_failures
	fi
}

# What failed and was not known, indented, so that no line looks like a result of this script.
show_failures() {
	awk '/^ *(not )?ok/ { show = /not ok/ && !/# TODO/ } show { print "  " $0 }' /tmp/suite
}

# The last run said at least so many rules passed: one that skips them all must not look good.
passed_at_least() {
	[ "$(sed -n 's/^# \([0-9]*\) passed, .*/\1/p' /tmp/suite)" -ge "$1" ]
}

mtty_create "$(uuid 1)"
mtty_create "$(uuid 2)"
mdpy_create "$(uuid 3)"

# This kernel refuses the two arcs that hang others (--dangerous).
suite check.cdev 0 --known $known --dangerous "vfio:$(uuid 1)"
check check.cdev.rules passed_at_least 150
suite check.group 0 --known $known --dangerous "vfio:$(uuid 1),group"
check check.group.rules passed_at_least 150
suite check.peer 0 --known $known "vfio:$(uuid 1)" "vfio:$(uuid 2)"
suite check.both-at-once 0 --known $known --repeat 2 --also "vfio:$(uuid 2)" "vfio:$(uuid 1)"

# Neither a failure that is not known nor one that is gone goes unseen.
suite check.without-known 5 "vfio:$(uuid 1)"
sed '/^precopy.flags-own/d' $known >/tmp/less.known
suite check.one-not-known 5 --known /tmp/less.known --only 'precopy.*' "vfio:$(uuid 1)"
check check.one-not-known.named grep -q '^not ok [0-9]* precopy.flags-own$' /tmp/suite
{ cat $known; echo "arc.STOP-STOP_COPY # it passes"; } >/tmp/more.known
suite check.one-passes 5 --known /tmp/more.known --only 'arc.*' "vfio:$(uuid 1)"

# A device that cannot migrate: no rule can be tried, and that is said.
suite check.no-migration 1 "vfio:$(uuid 3)"
check check.no-migration.said grep -q migrat /tmp/err

check check.fit-afterwards mtty_uart "vfio:$(uuid 1)" fill 3

for n in 1 2 3; do
	mdev_remove "$(uuid $n)"
done
