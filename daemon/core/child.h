/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server of a volume with Command=: a child that takes its listening
 * socket from us, as from systemd's socket activation. The socket is ours and
 * outlives the child, so several connections reach one server, and a server
 * that was lost is started again behind the same address. On the loop's
 * thread.
 */
#pragma once

#include <stdbool.h>

#include "common/strings.h"
#include "daemon/core/loop.h"

struct child;

/* A child that does not run yet, listening at PATH, or NULL with errno. NAME
 * is for messages. ON_EXIT is called when the server has ended, with HOW as
 * text; also after child_stop(), with NULL. */
struct child *child_new(struct loop *loop, const char *name, const char *path,
			const struct string_list *command,
			void (*on_exit)(void *user, const char *how),
			void *user);

/* 0 or a negative errno. Starts the server unless it runs. */
int child_start(struct child *child);

/* Asks the server to end, and makes it end if it does not. on_exit follows,
 * also if none was running; never from within. The socket is gone by then. */
void child_stop(struct child *child);

/* Nothing runs any more. NULL is allowed. */
void child_free(struct child *child);
