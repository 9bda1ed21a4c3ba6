/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files connection*.c share. */
#pragma once

#include "daemon/core/connection.h"

/* Something was done with the handle: looks at what came of it, before the
 * loop sleeps. */
void connection_touch(struct connection *connection);

/* Loses the connection with a message that ends in what the library said. */
void connection_lose_by_library(struct connection *connection,
				const char *attempt);

/* Takes the answered parts to the owner. */
void connection_retire_parts(struct connection *connection);
/* The handle is closed: every part goes to the owner, as answered or lost. */
void connection_lose_parts(struct connection *connection, const char *text);

void listing_done(struct listing *listing);
