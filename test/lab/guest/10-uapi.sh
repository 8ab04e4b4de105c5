#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Does this kernel offer what godwit builds on? See uapi_smoke.c.

. /lab/lib.sh

mtty=$(uuid 1)
plain=$(uuid 2)

check uapi.mtty-create mtty_create "$mtty"
check uapi.plain-create mdpy_create "$plain"
check uapi.cdev-node test -c "$(vfio_cdev "$mtty")"
check uapi.group-node test -c "$(vfio_group "$mtty")"

# each says its own results
uapi_smoke cdev "$(vfio_cdev "$mtty")" || :
uapi_smoke group "$(vfio_group "$mtty")" "$mtty" || :
uapi_smoke plain "$(vfio_cdev "$plain")" || :
uapi_smoke host || :

check uapi.loopback ping -c 1 -W 5 127.0.0.1
check uapi.mtty-remove mdev_remove "$mtty"
check uapi.plain-remove mdev_remove "$plain"
