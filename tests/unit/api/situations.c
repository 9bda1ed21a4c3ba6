/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A real server, and a peer that says nothing. */
#include "tests/unit/api/situations.h"

#include <libnbd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

static struct server server;

void
situations_start(void)
{
	server_start_line(&server, SERVER_UNIX, "nbdkit memory 1M");
}

void
situations_stop(void)
{
	server_stop(&server);
}

struct nbd_handle *
situation_created(void)
{
	return nbd_create();
}

/* A server's end that says nothing until the handle is closed. */
static int silent_peer = -1;

struct nbd_handle *
situation_connecting(void)
{
	struct nbd_handle *h = nbd_create();
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(nbd_aio_connect_socket(h, pair[0]), 0);
	silent_peer = pair[1];
	assert_int_equal(nbd_aio_is_connecting(h), 1);
	return h;
}

struct nbd_handle *
situation_negotiating(void)
{
	struct nbd_handle *h = nbd_create();

	assert_int_equal(nbd_set_opt_mode(h, true), 0);
	assert_int_equal(nbd_connect_uri(h, server.uri), 0);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	return h;
}

struct nbd_handle *
situation_connected(void)
{
	struct nbd_handle *h = nbd_create();

	assert_int_equal(nbd_add_meta_context(h, "base:allocation"), 0);
	if (nbd_connect_uri(h, server.uri) != 0)
		fail_msg("%s", nbd_get_error());
	assert_int_equal(nbd_aio_is_ready(h), 1);
	return h;
}

struct nbd_handle *
situation_closed(void)
{
	struct nbd_handle *h = situation_connected();

	assert_int_equal(nbd_shutdown(h, 0), 0);
	assert_int_equal(nbd_aio_is_closed(h), 1);
	return h;
}

struct nbd_handle *
situation_dead(void)
{
	struct nbd_handle *h = nbd_create();
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	(void)nbd_connect_socket(h, pair[0]);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	return h;
}

const struct situation situations[N_SITUATIONS] = {
	{ "Created", "START", "newly created", situation_created },
	{ "Connecting", "MAGIC", "connecting", situation_connecting },
	{ "Negotiating", "NEGOTIATING", "negotiating", situation_negotiating },
	{ "Connected", "READY", "connected with the server",
	  situation_connected },
	{ "Closed", "CLOSED", "shut down", situation_closed },
	{ "Dead", "DEAD", "dead", situation_dead },
};

void
situation_end(struct nbd_handle *h)
{
	nbd_close(h);
	if (silent_peer >= 0)
		close(silent_peer);
	silent_peer = -1;
}
