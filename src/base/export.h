/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * GW_EXPORT marks a public function where it is defined. The library is built with hidden visibility and its
 * symbol map (src/godwit.map) names the exported symbols once more.
 */
#ifndef BASE_EXPORT_H
#define BASE_EXPORT_H

#define GW_EXPORT __attribute__((visibility("default")))

#endif
