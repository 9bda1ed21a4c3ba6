/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether what happened is what the transcript says, or at least sane. */
#pragma once

#include "tests/protocol/run.h"

/*
 * Compares OUTCOME with the words after '=' on the line: "ok", "ok VALUE",
 * "fail ERRNO", "fail ERRNO|ERRNO" or "pending". No '=' means ok.
 */
void expect_outcome(struct run *run, const struct line *line,
		    const struct outcome *outcome);

/*
 * After the server has ended early no call may wait for ever, and none may
 * succeed with less than the NEEDED bytes of the server's answer.
 */
void expect_sane_after_cut(struct run *run, const struct line *line,
			   const struct outcome *outcome, uint64_t needed);

/* Where the '=' stands on the line, or the number of words. */
size_t expectation_at(const struct line *line);

/* Does the line expect "pending"? */
bool expectation_is_pending(const struct line *line);
