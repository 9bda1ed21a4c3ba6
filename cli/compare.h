/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Are two disks equal? */
#pragma once

#include <stdint.h>

struct disk;
struct options;

/* Compares the first LENGTH bytes. EXIT_OK, or the code of a recorded failure:
 * EXIT_NO if they differ, which says where first. */
int compare_disks(const struct options *options, struct disk *a, struct disk *b,
		  uint64_t length);
