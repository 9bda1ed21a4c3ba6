/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a volume flushes by itself: in time for its journal to stay below its
 * limit, and before it closes. On the loop's thread. */
#pragma once

#include <stdbool.h>

struct volume;

void unflushed_init(struct volume *volume);
/* The export is known, perhaps another one than before: is there a journal? */
void unflushed_adopt_export(struct volume *volume);
/* Flushes, unless there is nothing to flush or it does so already. */
void unflushed_flush_early(struct volume *volume);
/* The same, also without a journal. */
void unflushed_flush_all(struct volume *volume);
/* After each round of the target: flushes if it is time. */
void unflushed_consider(struct volume *volume);
/* What becomes of unflushed writes, in a word or two; any thread. */
const char *unflushed_text(const struct volume *volume);
/* Is a flush needed before the volume closes? */
bool unflushed_is_any(const struct volume *volume);
/* The volume closes with what it has. */
void unflushed_done(struct volume *volume);
