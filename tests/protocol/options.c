/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option mode, asynchronously and synchronously. */
#include "tests/protocol/options.h"

#include <stdlib.h>
#include <string.h>

#include "common/strings.h"
#include "tests/protocol/expectations.h"
#include "tests/support/outcome.h"

struct option {
	struct option *next;
	struct run *run;
	const struct line *line;
	struct string_builder listed;
	unsigned n_listed; /* or 1 for an agreement */
	unsigned n_completions;
	unsigned n_completion_frees;
	unsigned n_list_frees;
	bool has_completion;
	bool has_list;
	int error;
	int result; /* of the synchronous call */
};

static int
on_completion(void *user_data, int *error)
{
	struct option *option = user_data;

	option->n_completions++;
	option->error = *error;
	return 0;
}

static void
on_completion_free(void *user_data)
{
	struct option *option = user_data;

	option->n_completion_frees++;
}

static void
on_list_free(void *user_data)
{
	struct option *option = user_data;

	option->n_list_frees++;
}

static void
note_item(struct option *option, const char *name)
{
	if (option->n_listed++ > 0)
		string_builder_append(&option->listed, "; ");
	string_builder_append_escaped(&option->listed, name, strlen(name));
}

static int
on_export(void *user_data, const char *name, const char *description)
{
	struct option *option = user_data;

	note_item(option, name);
	if (description[0] != '\0') {
		string_builder_append(&option->listed, ": ");
		string_builder_append_escaped(&option->listed, description,
					      strlen(description));
	}
	return 0;
}

static int
on_context(void *user_data, const char *name)
{
	note_item(user_data, name);
	return 0;
}

/* clang-format off */
static nbd_completion_callback
completion_of(struct option *o)
{
	o->has_completion = true;
	return (nbd_completion_callback){ .callback = on_completion,
		.free = on_completion_free, .user_data = o };
}

static nbd_list_callback
list_of(struct option *o)
{
	o->has_list = true;
	return (nbd_list_callback){ .callback = on_export,
		.free = on_list_free, .user_data = o };
}

static nbd_context_callback
context_of(struct option *o)
{
	o->has_list = true;
	return (nbd_context_callback){ .callback = on_context,
		.free = on_list_free, .user_data = o };
}

#define OPTIONS(X) \
	X(go, nbd_aio_opt_go(h, completion_of(o)), nbd_opt_go(h)) \
	X(info, nbd_aio_opt_info(h, completion_of(o)), nbd_opt_info(h)) \
	X(abort, nbd_aio_opt_abort(h), nbd_opt_abort(h)) \
	X(list, nbd_aio_opt_list(h, list_of(o), completion_of(o)), \
	  nbd_opt_list(h, list_of(o))) \
	X(list_meta, \
	  nbd_aio_opt_list_meta_context(h, context_of(o), completion_of(o)), \
	  nbd_opt_list_meta_context(h, context_of(o))) \
	X(set_meta, \
	  nbd_aio_opt_set_meta_context(h, context_of(o), completion_of(o)), \
	  nbd_opt_set_meta_context(h, context_of(o)))

/* Those that report a refusal as a result, 0 instead of 1. */
#define AGREEMENTS(X) \
	X(structured_reply, \
	  nbd_aio_opt_structured_reply(h, completion_of(o)), \
	  nbd_opt_structured_reply(h)) \
	X(extended_headers, \
	  nbd_aio_opt_extended_headers(h, completion_of(o)), \
	  nbd_opt_extended_headers(h)) \
	X(starttls, \
	  nbd_aio_opt_starttls(h, completion_of(o)), \
	  nbd_opt_starttls(h))
/* clang-format on */

#define DEFINE(verb, asynchronous, synchronous)                         \
	static int start_##verb(struct nbd_handle *h, struct option *o) \
	{                                                               \
		(void)o;                                                \
		return asynchronous;                                    \
	}                                                               \
	static int call_##verb(struct nbd_handle *h, struct option *o)  \
	{                                                               \
		(void)o;                                                \
		return synchronous;                                     \
	}
OPTIONS(DEFINE)
AGREEMENTS(DEFINE)

static const struct {
	const char *verb;
	bool is_agreement;
	int (*start)(struct nbd_handle *h, struct option *o);
	int (*call)(struct nbd_handle *h, struct option *o);
} verbs[] = {
#define ROW(verb, asynchronous, synchronous) \
	{ #verb, false, start_##verb, call_##verb },
#define AGREEMENT_ROW(verb, asynchronous, synchronous) \
	{ #verb, true, start_##verb, call_##verb },
	OPTIONS(ROW) AGREEMENTS(AGREEMENT_ROW)
};

static size_t
find_verb(const struct line *line, const char *verb)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].verb, verb))
			return i;
	script_mistake(line, "%s is no option", verb);
}

static struct outcome
failed(struct run *run)
{
	return (struct outcome){ .kind = OUTCOME_FAILED,
				 .errnum = run_note_error(run) };
}

static struct outcome
succeeded(struct run *run, const struct option *option)
{
	return (struct outcome){
		.kind = OUTCOME_OK,
		.has_value = true,
		.value = option->n_listed,
		.n_bytes = run->has_thread ? 0 : run->player.n_sent,
	};
}

/* The list as one text, for "check listed". */
static void
publish_list(struct run *run, struct option *option)
{
	free(run->listed);
	run->listed = string_builder_take(&option->listed);
}

/* Has the connection gone although the option itself reports nothing? */
static bool
is_gone(const struct run *run)
{
	return nbd_aio_is_dead(run->h) || nbd_aio_is_closed(run->h);
}

static struct outcome
drive(struct run *run, size_t verb, struct option *option)
{
	bool aborts = !strcmp(verbs[verb].verb, "abort");

	if (verbs[verb].start(run->h, option) < 0)
		return failed(run);
	while (nbd_aio_is_connecting(run->h))
		if (!run_turn(run) && nbd_aio_is_connecting(run->h))
			return (struct outcome){ .kind = OUTCOME_PENDING };
	if (verbs[verb].is_agreement && !is_gone(run)) {
		option->n_listed = option->error == 0;
		return succeeded(run, option);
	}
	if (option->error != 0) {
		run_note_error(run);
		return (struct outcome){ .kind = OUTCOME_FAILED,
					 .errnum = option->error };
	}
	if (!aborts && is_gone(run))
		return (struct outcome){ .kind = OUTCOME_FAILED,
					 .errnum = run->died_of };
	return succeeded(run, option);
}

static struct outcome
call_synchronously(struct run *run, size_t verb, struct option *option)
{
	option->result = verbs[verb].call(run->h, option);
	if (option->result < 0)
		return failed(run);
	if (verbs[verb].is_agreement)
		option->n_listed = option->result > 0;
	return succeeded(run, option);
}

struct outcome
option_call(struct run *run, const struct line *line)
{
	size_t verb = find_verb(line, script_word(line, 1));
	struct option *option = calloc(1, sizeof(*option));
	struct outcome outcome;

	if (!option)
		test_broken("out of memory");
	option->run = run;
	option->line = line;
	option->next = run->options;
	run->options = option;
	if (!run->has_thread)
		outcome = drive(run, verb, option);
	else
		outcome = call_synchronously(run, verb, option);
	publish_list(run, option);
	return outcome;
}

static void
check_callbacks(struct run *run, const struct option *option)
{
	if (option->n_completions > 1)
		run_fail(run, option->line,
			 "the completion was called %u times",
			 option->n_completions);
	if (option->has_completion && option->n_completion_frees != 1)
		run_fail(run, option->line,
			 "the completion was freed %u times instead of once",
			 option->n_completion_frees);
	if (option->has_list && option->n_list_frees != 1)
		run_fail(run, option->line,
			 "the list callback was freed %u times instead of once",
			 option->n_list_frees);
}

void
options_done(struct run *run)
{
	struct option *option;

	while ((option = run->options)) {
		run->options = option->next;
		check_callbacks(run, option);
		string_builder_done(&option->listed);
		free(option);
	}
}
