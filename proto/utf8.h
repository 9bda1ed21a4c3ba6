/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text that a proto3 string may hold. Internal to proto/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether BYTES are UTF-8 without NUL: what a proto3 string may hold, and a C
 * string can. */
bool utf8_is_text(const uint8_t *bytes, size_t length);

/* Makes it text: bytes that are in the way become '?'. */
void utf8_repair(uint8_t *bytes, size_t length);

/* Copies FROM, NULL is "", into TO, a string of at most SIZE bytes with its NUL:
 * bytes that are not UTF-8 become '?', what does not fit is cut off between
 * characters. */
void utf8_copy(char *to, size_t size, const char *from);
