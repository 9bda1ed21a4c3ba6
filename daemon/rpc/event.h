/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What gRPC hands back when something is done: every tag on the completion
 * queue is one of these, embedded in the object that waits for it.
 */
#pragma once

#include <stdbool.h>

struct rpc_event {
	/* Runs on the RPC thread. OK is what gRPC says of the operation. */
	void (*run)(struct rpc_event *event, bool ok);
	/* Another thread was given it, and told this instead of gRPC. */
	bool is_passed_on;
	bool has_failed;
};
