/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An option begins: the state and the arguments are checked here, whether the
 * server can be asked at all is the engine's to say.
 */
#include "client-lib/api/begin_option.h"

#include <errno.h>

#define GIVEN_IF_ANY(closures, name)                                       \
	(!(closures).name ||                                               \
	 api_is_given(CLOSURE_IS_NULL(*(closures).name) ? NULL             \
							: (closures).name, \
		      #name))

static int
start(const struct api_call *call, struct option_request *request,
      struct option_closures closures)
{
	if (!GIVEN_IF_ANY(closures, list) || !GIVEN_IF_ANY(closures, context))
		return -1;
	if (closures.list)
		request->list = *closures.list;
	if (closures.context)
		request->context = *closures.context;
	if (closures.completion)
		request->completion = *closures.completion;
	if (engine_option_start(call->h, request) < 0)
		return -1;

	/* They are the engine's now, and may have been released already. */
	if (closures.list)
		(void)TAKE_CLOSURE(*closures.list);
	if (closures.context)
		(void)TAKE_CLOSURE(*closures.context);
	if (closures.completion)
		(void)TAKE_CLOSURE(*closures.completion);
	return 0;
}

int
begin_option(const struct api_call *call, enum option_goal goal,
	     struct option_closures closures)
{
	struct option_request request = { .goal = goal };

	if (!api_permit(call, NEGOTIATING))
		return -1;
	return start(call, &request, closures);
}

int
begin_option_queries(const struct api_call *call, enum option_goal goal,
		     char **queries, struct option_closures closures)
{
	struct option_request request = {
		.goal = goal,
		.has_queries = true,
		.queries = queries,
	};

	if (!api_permit(call, NEGOTIATING) || !API_GIVEN(queries))
		return -1;
	return start(call, &request, closures);
}
