/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Options, asynchronously: 0 once the option is on its way. How it ended the
 * completion callback learns.
 */
#include <libnbd.h>

#include "client-lib/api/begin_option.h"
#include "client-lib/api/guard.h"

int
nbd_aio_opt_go(struct nbd_handle *h,
	       nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "completion=%s", trace_closure(completion_callback));
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .completion = &completion };

	return api_return(&call, begin_option(&call, GOAL_GO, closures));
}

int
nbd_aio_opt_info(struct nbd_handle *h,
		 nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "completion=%s", trace_closure(completion_callback));
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .completion = &completion };

	return api_return(&call, begin_option(&call, GOAL_INFO, closures));
}

int
nbd_aio_opt_structured_reply(struct nbd_handle *h,
			     nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "completion=%s", trace_closure(completion_callback));
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .completion = &completion };

	return api_return(&call,
			  begin_option(&call, GOAL_STRUCTURED_REPLY, closures));
}

int
nbd_aio_opt_list(struct nbd_handle *h, nbd_list_callback list_callback,
		 nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "list=%s completion=%s", trace_closure(list_callback),
		 trace_closure(completion_callback));
	OWN_CLOSURE(list, list, list_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .list = &list,
					    .completion = &completion };

	return api_return(&call, begin_option(&call, GOAL_LIST, closures));
}

int
nbd_aio_opt_list_meta_context(struct nbd_handle *h,
			      nbd_context_callback context_callback,
			      nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "context=%s completion=%s",
		 trace_closure(context_callback),
		 trace_closure(completion_callback));
	OWN_CLOSURE(context, context, context_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .context = &context,
					    .completion = &completion };

	return api_return(
		&call, begin_option(&call, GOAL_LIST_META_CONTEXT, closures));
}

int
nbd_aio_opt_list_meta_context_queries(
	struct nbd_handle *h, char **queries,
	nbd_context_callback context_callback,
	nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "queries=%s context=%s completion=%s",
		 trace_strings(&call.trace, queries),
		 trace_closure(context_callback),
		 trace_closure(completion_callback));
	OWN_CLOSURE(context, context, context_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .context = &context,
					    .completion = &completion };

	return api_return(&call,
			  begin_option_queries(&call, GOAL_LIST_META_CONTEXT,
					       queries, closures));
}

int
nbd_aio_opt_set_meta_context(struct nbd_handle *h,
			     nbd_context_callback context_callback,
			     nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "context=%s completion=%s",
		 trace_closure(context_callback),
		 trace_closure(completion_callback));
	OWN_CLOSURE(context, context, context_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .context = &context,
					    .completion = &completion };

	return api_return(&call,
			  begin_option(&call, GOAL_SET_META_CONTEXT, closures));
}

int
nbd_aio_opt_set_meta_context_queries(
	struct nbd_handle *h, char **queries,
	nbd_context_callback context_callback,
	nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "queries=%s context=%s completion=%s",
		 trace_strings(&call.trace, queries),
		 trace_closure(context_callback),
		 trace_closure(completion_callback));
	OWN_CLOSURE(context, context, context_callback);
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .context = &context,
					    .completion = &completion };

	return api_return(&call,
			  begin_option_queries(&call, GOAL_SET_META_CONTEXT,
					       queries, closures));
}

int
nbd_aio_opt_starttls(struct nbd_handle *h,
		     nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "completion=%s", trace_closure(completion_callback));
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .completion = &completion };

	return api_return(&call, begin_option(&call, GOAL_STARTTLS, closures));
}

int
nbd_aio_opt_extended_headers(struct nbd_handle *h,
			     nbd_completion_callback completion_callback)
{
	API_CALL(call, h, "completion=%s", trace_closure(completion_callback));
	OWN_CLOSURE(completion, completion, completion_callback);
	struct option_closures closures = { .completion = &completion };

	return api_return(&call,
			  begin_option(&call, GOAL_EXTENDED_HEADERS, closures));
}

int
nbd_aio_opt_abort(struct nbd_handle *h)
{
	API_CALL(call, h);
	struct option_closures closures = { .list = NULL };

	return api_return(&call, begin_option(&call, GOAL_ABORT, closures));
}
