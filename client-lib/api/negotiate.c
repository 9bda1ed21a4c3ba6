/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options, synchronously: start one, wait until it is over, and turn the
 * outcome into a result.
 */
#include <errno.h>
#include <libnbd.h>
#include <limits.h>

#include "client-lib/api/begin_option.h"
#include "client-lib/api/guard.h"
#include "client-lib/api/wait.h"

/* Waits for the end of the option. 0 if the server agreed; 1 if it refused,
 * with the outcome in the handle; -1 if the connection did not survive, with
 * the error recorded. */
static int
finish_option(struct nbd_handle *h)
{
	const struct option_result *result = &h->option.result;

	if (wait_for_option(h) < 0)
		return -1;
	if (!result->error)
		return 0;
	if (result->refused)
		return 1;
	if (engine_public_state(h) == PUBLIC_CLOSED)
		fail(0, "connection is closed");
	return -1;
}

/* 0, or -1: the engine has recorded what the server said. */
static int
finish(struct nbd_handle *h)
{
	return finish_option(h) == 0 ? 0 : -1;
}

/* 1 if the server agreed, 0 if it refused. */
static int
finish_agreement(struct nbd_handle *h)
{
	switch (finish_option(h)) {
	case 0:
		return 1;
	case 1:
		return 0;
	}
	return -1;
}

/* How often the callback ran. A refusal is ENOTSUP whatever its reason. */
static int
finish_enumeration(struct nbd_handle *h, const char *what)
{
	unsigned count;

	switch (finish_option(h)) {
	case 0:
		count = h->option.result.count;
		return count < INT_MAX ? (int)count : INT_MAX;
	case 1:
		return fail(ENOTSUP, "server replied with error to %s request",
			    what);
	}
	return -1;
}

static int
finish_list(struct nbd_handle *h)
{
	return finish_enumeration(h, "list");
}

static int
finish_meta_context(struct nbd_handle *h)
{
	return finish_enumeration(h, "meta context");
}

int
nbd_opt_go(struct nbd_handle *h)
{
	API_CALL(call, h);
	struct option_closures closures = { .list = NULL };

	if (begin_option(&call, GOAL_GO, closures) < 0)
		return -1;
	return api_return(&call, finish(h));
}

int
nbd_opt_info(struct nbd_handle *h)
{
	API_CALL(call, h);
	struct option_closures closures = { .list = NULL };

	if (begin_option(&call, GOAL_INFO, closures) < 0)
		return -1;
	return api_return(&call, finish(h));
}

int
nbd_opt_structured_reply(struct nbd_handle *h)
{
	API_CALL(call, h);
	struct option_closures closures = { .list = NULL };

	if (begin_option(&call, GOAL_STRUCTURED_REPLY, closures) < 0)
		return -1;
	return api_return(&call, finish_agreement(h));
}

int
nbd_opt_list(struct nbd_handle *h, nbd_list_callback list_callback)
{
	API_CALL(call, h, "list=%s", trace_closure(list_callback));
	OWN_CLOSURE(list, list, list_callback);
	struct option_closures closures = { .list = &list };

	if (begin_option(&call, GOAL_LIST, closures) < 0)
		return -1;
	return api_return(&call, finish_list(h));
}

int
nbd_opt_list_meta_context(struct nbd_handle *h,
			  nbd_context_callback context_callback)
{
	API_CALL(call, h, "context=%s", trace_closure(context_callback));
	OWN_CLOSURE(context, context, context_callback);
	struct option_closures closures = { .context = &context };

	if (begin_option(&call, GOAL_LIST_META_CONTEXT, closures) < 0)
		return -1;
	return api_return(&call, finish_meta_context(h));
}

int
nbd_opt_list_meta_context_queries(struct nbd_handle *h, char **queries,
				  nbd_context_callback context_callback)
{
	API_CALL(call, h, "queries=%s context=%s",
		 trace_strings(&call.trace, queries),
		 trace_closure(context_callback));
	OWN_CLOSURE(context, context, context_callback);
	struct option_closures closures = { .context = &context };

	if (begin_option_queries(&call, GOAL_LIST_META_CONTEXT, queries,
				 closures) < 0)
		return -1;
	return api_return(&call, finish_meta_context(h));
}

int
nbd_opt_set_meta_context(struct nbd_handle *h,
			 nbd_context_callback context_callback)
{
	API_CALL(call, h, "context=%s", trace_closure(context_callback));
	OWN_CLOSURE(context, context, context_callback);
	struct option_closures closures = { .context = &context };

	if (begin_option(&call, GOAL_SET_META_CONTEXT, closures) < 0)
		return -1;
	return api_return(&call, finish_meta_context(h));
}

int
nbd_opt_set_meta_context_queries(struct nbd_handle *h, char **queries,
				 nbd_context_callback context_callback)
{
	API_CALL(call, h, "queries=%s context=%s",
		 trace_strings(&call.trace, queries),
		 trace_closure(context_callback));
	OWN_CLOSURE(context, context, context_callback);
	struct option_closures closures = { .context = &context };

	if (begin_option_queries(&call, GOAL_SET_META_CONTEXT, queries,
				 closures) < 0)
		return -1;
	return api_return(&call, finish_meta_context(h));
}

int
nbd_opt_starttls(struct nbd_handle *h)
{
	API_CALL(call, h);
	struct option_closures closures = { .list = NULL };

	if (begin_option(&call, GOAL_STARTTLS, closures) < 0)
		return -1;
	return api_return(&call, finish_agreement(h));
}

int
nbd_opt_extended_headers(struct nbd_handle *h)
{
	API_CALL(call, h);
	struct option_closures closures = { .list = NULL };

	if (begin_option(&call, GOAL_EXTENDED_HEADERS, closures) < 0)
		return -1;
	return api_return(&call, finish_agreement(h));
}

int
nbd_opt_abort(struct nbd_handle *h)
{
	API_CALL(call, h);
	struct option_closures closures = { .list = NULL };

	if (begin_option(&call, GOAL_ABORT, closures) < 0)
		return -1;
	return api_return(&call, wait_until_closed(h));
}
