/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What users ask for in option mode. The request's closures live here from
 * the start until its completion has run, which happens exactly once, or
 * until the handle ends.
 */
#include <errno.h>
#include <stdlib.h>

#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/protocol.h"

bool
option_is_requested(const struct nbd_handle *h)
{
	switch (h->option.goal) {
	case GOAL_GO:
	case GOAL_INFO:
	case GOAL_LIST:
	case GOAL_LIST_META_CONTEXT:
	case GOAL_SET_META_CONTEXT:
	case GOAL_STARTTLS:
	case GOAL_STRUCTURED_REPLY:
	case GOAL_EXTENDED_HEADERS:
		return true;
	case GOAL_NONE:
	case GOAL_UPGRADE:
	case GOAL_CONNECT:
	case GOAL_ABORT:
		break;
	}
	return false;
}

static void
release_request(struct option_state *option)
{
	option->goal = GOAL_NONE;
	option->current = NULL;
	string_list_done(&option->queries);
	option->queries = (struct string_list){ 0 };
	closure_release(option->list);
	closure_release(option->context);
	closure_release(option->completion);
}

void
option_complete_request(struct nbd_handle *h, int errnum, bool refused)
{
	struct option_state *option = &h->option;

	option->result.error = errnum;
	option->result.refused = refused;
	(void)CLOSURE_CALL(option->completion, &errnum);
	release_request(option);
}

void
option_fail_pending(struct nbd_handle *h, int errnum)
{
	if (option_is_requested(h))
		option_complete_request(h, errnum, false);
	else
		release_request(&h->option);
}

void
option_done(struct option_state *option)
{
	release_request(option);
	export_info_done(&option->offer);
	free(option->output);
	*option = (struct option_state){ 0 };
}

static int
check_request(const struct nbd_handle *h, const struct option_request *request)
{
	bool is_fixed = h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE;

	if (!is_fixed && request->goal != GOAL_GO &&
	    request->goal != GOAL_ABORT)
		return fail(ENOTSUP,
			    "the server is not using the fixed newstyle "
			    "protocol, which has no other options");
	if (request->goal == GOAL_SET_META_CONTEXT &&
	    !h->negotiated.structured_replies)
		return fail(ENOTSUP,
			    "meta contexts need structured replies, which "
			    "were not negotiated");
	return 0;
}

/* What was known about an export is no longer true once we ask again. */
static void
forget_export(struct nbd_handle *h, enum option_goal goal)
{
	if (goal != GOAL_GO && goal != GOAL_INFO)
		return;
	export_info_reset(&h->export);
	if (h->config.request_meta_context)
		export_info_reset_contexts(&h->export);
}

int
engine_option_start(struct nbd_handle *h, const struct option_request *request)
{
	struct option_state *option = &h->option;
	bool is_fixed = h->negotiated.handshake_flags & NBD_FLAG_FIXED_NEWSTYLE;

	if (check_request(h, request) == -1)
		return -1;
	if (request->has_queries &&
	    string_list_copy(&option->queries, request->queries) == -1)
		return fail(ENOMEM, "copying the queries");
	option->has_queries = request->has_queries;
	option->list = request->list;
	option->context = request->context;
	option->completion = request->completion;
	option->result = (struct option_result){ 0 };
	option->abort_is_dead = false;
	forget_export(h, request->goal);
	option_begin_goal(h, request->goal);

	/* ABORT is an option of fixed newstyle; others just hang up. */
	if (request->goal == GOAL_ABORT && !is_fixed) {
		engine_close(h);
		return 0;
	}
	(void)engine_run(h);
	return 0;
}
