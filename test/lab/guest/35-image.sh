#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# A UART's state goes through a file from one device to another, by cdev and by group; a file that is not what was
# saved is refused, and the device left as it was.

. /lab/lib.sh

command -v godwit >/dev/null || { skip image "no godwit in this lab"; exit 0; }

# refused NAME DEVICE FILE: by load, with a sentence; the device keeps what it has.
refused() {
	check "$1.fill" mtty_uart "$2" fill 77
	if godwit load "$2" "$3" >/tmp/out 2>/tmp/err; then
		not_ok "$1" "it was loaded"
	else
		check "$1" grep -q '^godwit: ' /tmp/err
	fi
	check "$1.device-untouched" mtty_uart "$2" holds 77
}

# A bit of byte N of FILE, in a copy.
flip() {
	byte=$(dd if="$1" bs=1 skip="$2" count=1 2>/dev/null | od -An -tu1 | tr -d ' ')
	cp "$1" "$3"
	# shellcheck disable=SC2059	# an octal escape
	printf "\\$(printf %o $((byte ^ 4)))" | dd of="$3" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

size_of() { wc -c <"$1"; }

# image NAME OPTION N
image() {
	from=vfio:$(uuid 1)$2 to=vfio:$(uuid 2)$2 file=/tmp/$1.gwi

	check "$1.fill" mtty_uart "$from" fill "$3"
	check "$1.save" godwit save "$from" "$file"
	check "$1.source-keeps-it" mtty_uart "$from" holds "$3"
	check "$1.load" godwit load "$to" "$file"
	check "$1.moved" mtty_uart "$to" holds "$3"

	check "$1.fill-again" mtty_uart "$from" fill $(($3 + 1))
	check "$1.save-precopy" godwit save --precopy "$from" "$file.pre"
	check "$1.load-precopy" godwit load "$to" "$file.pre"
	check "$1.moved-precopy" mtty_uart "$to" holds $(($3 + 1))

	mtty_uart "$from" fill $(($3 + 2))
	# shellcheck disable=SC2016	# for the inner shell
	check "$1.pipe" sh -c 'godwit save "$1" - | godwit load "$2" -' pipe "$from" "$to"
	check "$1.moved-by-pipe" mtty_uart "$to" holds $(($3 + 2))

	middle=$(($(size_of "$file") / 2))
	flip "$file" $middle "$file.bad"
	refused "$1.flipped" "$to" "$file.bad"
	head -c $middle "$file" >"$file.short"
	refused "$1.short" "$to" "$file.short"
}

mtty_create "$(uuid 1)"
mtty_create "$(uuid 2)"
mdev_create mtty/mtty/mdev_supported_types/mtty-1 "$(uuid 3)"

image image.cdev '' 17
image image.group ,group 42

# By cdev saved, by group loaded: it is the same device.
mtty_uart "vfio:$(uuid 1)" fill 99
godwit save "vfio:$(uuid 1)" /tmp/way.gwi >/tmp/out
check image.other-way.load godwit load "vfio:$(uuid 2),group" /tmp/way.gwi
check image.other-way.moved mtty_uart "vfio:$(uuid 2),group" holds 99

# One port instead of two: only the driver can know, and it does not say so before the end.
if godwit load "vfio:$(uuid 3)" /tmp/way.gwi >/tmp/out 2>/tmp/err; then
	not_ok image.other-type "a state of two ports was loaded into one"
else
	check image.other-type grep -q '^godwit: ' /tmp/err
fi
check image.other-type.alive mtty_uart "vfio:$(uuid 3)" fill 5

for n in 1 2 3; do
	mdev_remove "$(uuid $n)"
done
