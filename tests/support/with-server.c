/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a command beside a real NBD server, for tests written in shell:
 *
 *   with-server [--tcp] nbdkit memory 1M -- sh -c 'nbdinfo "$uri"'
 *
 * The command sees uri, unixsocket (or port) and serverdir, a directory of the
 * server's own. With-server exits as the command does and takes the server
 * along. "nbd-server FILE [LINE]" serves a file as the export "disk".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/nbd_server.h"
#include "tests/support/outcome.h"
#include "tests/support/process.h"
#include "tests/support/server.h"

static const char **
end_of_server_words(const char **word)
{
	while (*word && strcmp(*word, "--") != 0)
		word++;
	if (!*word || !word[1])
		test_broken("usage: with-server [--tcp] SERVER ARGUMENTS -- "
			    "COMMAND ARGUMENTS");
	return word;
}

static void
start_server(struct server *server, enum server_transport transport,
	     const char *const argv[])
{
	if (strcmp(argv[0], "nbd-server") != 0)
		server_start(server, transport, argv);
	else if (argv[1] && transport == SERVER_UNIX)
		nbd_server_start(server, argv[1], argv[2] ? argv[2] : "");
	else
		test_broken("usage: with-server nbd-server FILE [LINE] -- ...");
}

static void
describe_server(const struct server *server)
{
	setenv("uri", server->uri, 1);
	setenv("port", server->port, 1);
	setenv("unixsocket", server->socket ? server->socket : "", 1);
	setenv("serverdir", server->dir, 1);
}

int
main(int argc, const char **argv)
{
	enum server_transport transport = SERVER_UNIX;
	CLEANUP_SERVER struct server server = { .alive = -1 };
	const char **word = argv + 1;
	const char **end;
	int status;

	if (argc > 1 && strcmp(*word, "--tcp") == 0) {
		transport = SERVER_TCP;
		word++;
	}
	end = end_of_server_words(word);
	*end = NULL;
	start_server(&server, transport, word);
	describe_server(&server);
	status = process_wait(process_start(end + 1, -1));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
