/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the tests of servers' quirks have in common: what ends by itself, and
 * looking at a handle that should be usable.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/interop/fixture.h"
#include "tests/support/workdir.h"

static inline void
close_handle(struct nbd_handle **h)
{
	nbd_close(*h);
}

#define CLEANUP_HANDLE CLEANUP(close_handle)

/* A server of something in a folder of its own, and the handle that looks at
 * it. All of it ends together. */
struct served {
	struct server server;
	char *dir;
	struct nbd_handle *h;
};

#define NOTHING_SERVED             \
	{                          \
		.server.alive = -1 \
	}

static inline void
end_served(struct served *s)
{
	nbd_close(s->h);
	workdir_remove(s->dir);
	server_stop(&s->server);
}

#define CLEANUP_SERVED CLEANUP(end_served)

/* A handle connected to the export of this name. */
static inline struct nbd_handle *
open_named(const struct server *server, const char *name)
{
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_set_export_name(h, name));
	assert_nbd_ok(nbd_connect_unix(h, server->socket));
	return h;
}

/* A handle in option mode. */
static inline struct nbd_handle *
open_negotiating(const struct server *server)
{
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	assert_nbd_ok(nbd_connect_unix(h, server->socket));
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	return h;
}

/* The connection is in sync, and ends in peace. */
static inline void
expect_usable(struct nbd_handle *h)
{
	uint8_t block[512];

	assert_nbd_ok(nbd_pread(h, block, sizeof(block), 0, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
	assert_int_equal(nbd_aio_is_closed(h), 1);
}

/* For nbd_opt_list(): USER_DATA is a char **, the last name that was seen,
 * which the caller frees. */
static inline int
keep_export(void *user_data, const char *name, const char *description)
{
	char **last = user_data;

	(void)description;
	free(*last);
	*last = strdup(name);
	return 0;
}
