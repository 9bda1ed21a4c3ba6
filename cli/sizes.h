/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes and times as people write and read them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Bytes: a decimal or 0x number, with K, M, G, T, P or E (powers of 1024; a
 * following "iB" or "B" is allowed). False if it is none or does not fit 63
 * bits; *BYTES is then left alone. */
bool size_parse(const char *text, uint64_t *bytes);

/* Milliseconds from "5", "5s", "500ms", "2min" or "1h"; a bare number means
 * seconds, fractions are allowed. At least 1 ms and at most 24 days. */
bool time_parse(const char *text, uint32_t *milliseconds);

struct size_text {
	char text[48];
};

/* "512 B", "1.5 GiB". */
struct size_text size_format(uint64_t bytes);

/* "1.3/3.0 GiB": both in the unit that suits TOTAL. */
struct size_text size_format_pair(uint64_t part, uint64_t total);

/* "3 s", "2 min 5 s", "1 h 3 min", "2 d 4 h". */
struct size_text time_format(uint64_t seconds);

/* "850 us", "1.5 ms", "2.3 s". */
struct size_text latency_format(uint64_t microseconds);
