/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who may include whom. src/layers lists the folders of src/ from bottom to top; folders of one line are siblings
 * that never include each other. Programs (tool/, ref/vm/, ref/device/) see <godwit/...>, system headers and their own
 * folder; ref/ also ref/device_registers.h, tool/ the headers by which it starts the two of ref/. Public headers see
 * <...> only.
 */
#ifndef TEST_INCLUDE_RULES_H
#define TEST_INCLUDE_RULES_H

#include <stdio.h>

/* Reads every source of the tree at root; writes a line to out for each include that breaks a rule. How many. */
unsigned include_rules_check(const char *root, FILE *out);

#endif
