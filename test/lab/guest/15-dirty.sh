#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Who tells which pages a device has written, and is it told in full? See dirty_mock.c, dirty_device.c.

. /lab/lib.sh

command -v dirty_mock >/dev/null || { skip dirty "the lab was given no build directory"; exit 0; }

mtty=$(uuid 1)
plain=$(uuid 2)
mtty_create "$mtty"
mdpy_create "$plain"

# each says its own results
dirty_mock || :
dirty_device "vfio:$mtty" device || :
dirty_device "vfio:$plain,group" type1 || :

# A bit that goes missing has to be missed.
if dirty_mock drop >/tmp/drop; then
	not_ok dirty.iommufd.drop-is-seen "a dirty bit was stolen and nothing was found wrong"
else
	check dirty.iommufd.drop-is-seen grep -q 'page 77 was written and not told' /tmp/drop
fi

# probe_says NAME URI SOURCE
probe_says() {
	godwit probe --json "$2" >/tmp/probe || :
	check "dirty.probe.$1" grep -q "\"dirty_source\": *\"$3\"" /tmp/probe
}

probe_says mtty-cdev "vfio:$mtty" device
probe_says mtty-group "vfio:$mtty,group" device
probe_says plain-cdev "vfio:$plain" none
probe_says plain-group "vfio:$plain,group" type1

mdev_remove "$mtty"
mdev_remove "$plain"
