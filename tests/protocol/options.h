/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option mode: "opt info", "opt go", "opt list", "opt abort" and so on. */
#pragma once

#include "tests/protocol/run.h"

struct outcome option_call(struct run *run, const struct line *line);

/* Checks that each callback was released once, and frees the records. After
 * the handle was closed. */
void options_done(struct run *run);
