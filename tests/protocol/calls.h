/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a client's line of a transcript does: README.md lists them. */
#pragma once

#include "tests/protocol/run.h"

/* Carries out LINE. "= ..." at its end is left to the caller. */
struct outcome call_line(struct run *run, const struct line *line);

/* The errno of this name, or -1. */
int call_errno(const char *name);
