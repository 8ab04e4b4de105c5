/* SPDX-License-Identifier: BSD-3-Clause */
/* All of libgodwit's public headers, and its version. */
#ifndef GODWIT_GODWIT_H
#define GODWIT_GODWIT_H

#include <godwit/arbiter.h>
#include <godwit/compare.h>
#include <godwit/destination.h>
#include <godwit/device.h>
#include <godwit/error.h>
#include <godwit/estimate.h>
#include <godwit/image.h>
#include <godwit/inspect.h>
#include <godwit/kvm.h>
#include <godwit/report.h>
#include <godwit/source.h>
#include <godwit/vm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GW_VERSION_MAJOR 0
#define GW_VERSION_MINOR 1
#define GW_VERSION_PATCH 0

/* "0.1.0": the library's, which may be newer than the header's. */
const char *gw_version(void);

#ifdef __cplusplus
}
#endif
#endif
