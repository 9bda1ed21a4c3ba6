/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closing a connection to a server because an operator wants it. Any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct daemon;

/* Loses the connection numbered ID as if its server had hung up, so that the
 * volume does what it does then. ON_DONE is called once, from within or on an
 * I/O thread; WAS_THERE: it existed and was not closing by itself. BY says who
 * wants it, for the log; it is copied. */
void connection_kill(struct daemon *daemon, uint64_t id, const char *by,
		     void (*on_done)(void *user, bool was_there), void *user);
