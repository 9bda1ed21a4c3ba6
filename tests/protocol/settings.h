/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be set on a handle and asked of it, by the names of transcripts. */
#pragma once

#include "tests/protocol/run.h"

/* "set NAME VALUE" */
struct outcome settings_set(struct run *run, const struct line *line);

/* "get NAME [WHICH] = ok VALUE" */
struct outcome settings_get(struct run *run, const struct line *line);
