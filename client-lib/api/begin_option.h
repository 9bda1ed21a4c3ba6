/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Starting options on behalf of the caller, for both forms of nbd_opt_*().
 */
#pragma once

#include <libnbd.h>

#include "client-lib/api/guard.h"
#include "client-lib/engine/option.h"

/* The closures a form has; pointers to what the caller owns, or NULL. An
 * option that was started has taken them. */
struct option_closures {
	nbd_list_callback *list;
	nbd_context_callback *context;
	nbd_completion_callback *completion;
};

/* Starts the option that leads to GOAL: checks the state and the closures. 0,
 * or -1 with the error recorded. */
int begin_option(const struct api_call *call, enum option_goal goal,
		 struct option_closures closures);

/* The same for LIST_ and SET_META_CONTEXT with a list of QUERIES. */
int begin_option_queries(const struct api_call *call, enum option_goal goal,
			 char **queries, struct option_closures closures);
