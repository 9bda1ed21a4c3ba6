/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files connection*.c share. */
#pragma once

#include "daemon/core/connection.h"

/* Something was done with the handle: looks at what came of it, before the
 * loop sleeps. */
void connection_touch(struct connection *connection);

/* The same at once: connection->settle, and what the loop calls. */
void connection_settle(struct message *message);
void connection_on_events(struct watch *watch, uint32_t events);
void connection_on_timer(struct timer *timer);

void connection_set_phase(struct connection *connection,
			  enum connection_phase phase);
/* Forgets the handle; its closing completes whatever is in flight. */
void connection_close_handle(struct connection *connection);

/* Loses the connection with a message made of all three. */
void connection_lose_with_text(struct connection *connection,
			       const char *attempt, const char *text,
			       int errnum);
/* Loses the connection with a message that ends in what the library said. */
void connection_lose_by_library(struct connection *connection,
				const char *attempt);

/* Takes the answered parts to the owner. */
void connection_retire_parts(struct connection *connection);
/* The handle is closed: every part goes to the owner, as answered or lost. */
void connection_lose_parts(struct connection *connection, const char *text);
/* The same, but only those are told that are no request's. */
void connection_forget_parts(struct connection *connection);

void listing_done(struct listing *listing);
