/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reference server, nbd-server. It knows no socket activation, and serves
 * more than one client only as a daemon that has left its parent; a keeper
 * process takes it along when the test dies.
 */
#pragma once

#include "tests/support/server.h"

/*
 * Starts nbd-server on a unix socket, with one export "disk" that is the file
 * IMAGE; OPTIONS are further lines of the export's section, or "". Skips the
 * test if it is not installed.
 */
void nbd_server_start(struct server *server, const char *image,
		      const char *options);

/* The same; GENERIC are lines of the section that is about the server. */
void nbd_server_start_with(struct server *server, const char *image,
			   const char *options, const char *generic);

/* Ends the keeper, and with it the server. */
void nbd_server_kill(struct server *server);

/*
 * A configuration file in DIR with the export described above, for a server
 * that somebody else starts; SOCKET may be NULL. The caller frees the path.
 */
char *nbd_server_config(const char *dir, const char *socket, const char *image,
			const char *options);
