/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether what happened is what the transcript says. */
#include "tests/protocol/expectations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/protocol/calls.h"
#include "tests/support/outcome.h"

size_t
expectation_at(const struct line *line)
{
	size_t at = 0;

	while (at < line->words.n_items &&
	       (line->words.items[at].quoted ||
		strcmp(line->words.items[at].text, "=") != 0))
		at++;
	return at;
}

bool
expectation_is_pending(const struct line *line)
{
	size_t at = expectation_at(line);

	return line->kind == LINE_CLIENT && at < line->words.n_items &&
	       !strcmp(script_word(line, at + 1), "pending");
}

static bool
is_one_of(const char *names, int errnum)
{
	CLEANUP_FREE char *copy = strdup(names);
	char *rest = copy;
	const char *name;

	while ((name = strsep(&rest, "|")))
		if (!strcmp(name, "any") || call_errno(name) == errnum)
			return true;
	return false;
}

static void
expect_failure(struct run *run, const struct line *line,
	       const struct outcome *outcome, const char *names)
{
	if (outcome->kind != OUTCOME_FAILED) {
		run_fail(run, line, "it should have failed");
		return;
	}
	/* A command that was in flight when the connection died reports
	 * ENOTCONN; the reason is on the call that noticed. */
	if (is_one_of(names, outcome->errnum) ||
	    (outcome->errnum == ENOTCONN && run->died_of != 0 &&
	     is_one_of(names, run->died_of)))
		return;
	run_fail(run, line, "it failed with %s (%d; connection %d)",
		 strerror(outcome->errnum), outcome->errnum, run->died_of);
}

static void
expect_value(struct run *run, const struct line *line,
	     const struct outcome *outcome, size_t word)
{
	if (outcome->text) {
		if (strcmp(outcome->text, script_word(line, word)) != 0)
			run_fail(run, line, "the value is \"%s\"",
				 outcome->text);
	} else if (!outcome->has_value) {
		run_fail(run, line, "this call has no value");
	} else if (outcome->value != (int64_t)script_number(line, word)) {
		run_fail(run, line, "the value is %lld",
			 (long long)outcome->value);
	}
}

static void
expect_success(struct run *run, const struct line *line,
	       const struct outcome *outcome)
{
	if (outcome->kind == OUTCOME_PENDING)
		run_fail(run, line, "nobody can go on: the server waits at %s",
			 player_line(&run->player)
				 ? player_line(&run->player)->text
				 : "its end");
	else if (outcome->kind == OUTCOME_FAILED)
		run_fail(run, line, "it failed: %s", run->error);
}

void
expect_outcome(struct run *run, const struct line *line,
	       const struct outcome *outcome)
{
	size_t at = expectation_at(line);
	const char *word = at < line->words.n_items ? script_word(line, at + 1)
						    : "ok";

	if (run->player.failure)
		run_fail(run, line, "%s", run->player.failure);
	else if (!strcmp(word, "pending")) {
		if (outcome->kind != OUTCOME_PENDING)
			run_fail(run, line, "it should still be waiting");
	} else if (!strcmp(word, "fail")) {
		expect_failure(run, line, outcome, script_word(line, at + 2));
	} else {
		expect_success(run, line, outcome);
		if (!run->has_failed && at + 2 < line->words.n_items)
			expect_value(run, line, outcome, at + 2);
	}
}

void
expect_sane_after_cut(struct run *run, const struct line *line,
		      const struct outcome *outcome, uint64_t needed)
{
	if (run->player.failure)
		run_fail(run, line, "%s", run->player.failure);
	else if (outcome->kind == OUTCOME_PENDING && run->player.is_cut)
		run_fail(run, line, "it waits although the server has gone");
	else if (outcome->kind == OUTCOME_PENDING &&
		 !expectation_is_pending(line))
		run_fail(run, line, "nobody can go on");
	else if (outcome->kind == OUTCOME_OK && run->player.n_sent < needed)
		run_fail(run, line,
			 "it succeeded with %llu bytes of the %llu it needs",
			 (unsigned long long)run->player.n_sent,
			 (unsigned long long)needed);
}
