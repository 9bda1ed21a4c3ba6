/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ssh joins the words of the remote command with blanks and gives them to the
 * remote user's shell; its configuration may put user and host into commands
 * of a local shell. So what no shell would take literally is refused, "--"
 * ends the options, and what begins with "-" is no option.
 */
#include "client-lib/api/uri_ssh.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/connect.h"
#include "common/cleanup.h"
#include "common/strings.h"

enum {
	SSH_PORT = 22,
	MAX_WORDS = 16, /* more than there ever are */
};

/* Not literal in a shell. */
static const char shell_characters[] = "\t\r\n\\\"`$';&|<>!(){}[]*?~";

/* The same for what only a configuration can give to a shell. A backslash is
 * left for user names of Windows domains. */
static const char command_characters[] = "\t\r\n\"`$';&|<>(){}";

/* Is TEXT free of CHARACTERS? If not, EINVAL is recorded. */
static bool
is_free_of(const char *text, const char *characters, const char *what)
{
	const char *found = strpbrk(text, characters);

	if (!found)
		return true;
	fail(EINVAL,
	     "nbd+ssh: the %s in the URI has a character (code %d) that a "
	     "shell could take for something else",
	     what, (unsigned char)*found);
	return false;
}

static int
check(const struct uri *uri)
{
	const char *socket = uri_parameter(uri, "socket");
	const char *port = uri_parameter(uri, "nbd-port");

	if (!uri->host || !*uri->host)
		return fail(EINVAL, "nbd+ssh: the URI must name a host");
	if (uri->user && strchr(uri->user, '%'))
		return fail(EINVAL, "nbd+ssh: the user in the URI has a '%%', "
				    "which ssh would expand");
	if ((uri->user && !is_free_of(uri->user, command_characters, "user")) ||
	    !is_free_of(uri->host, command_characters, "host") ||
	    (socket && !is_free_of(socket, shell_characters, "socket")) ||
	    (port && !is_free_of(port, shell_characters, "nbd-port")))
		return -1;
	return 0;
}

/* A word of the command line from a format. 0, or -1 if out of memory. */
static int append(struct string_list *argv, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int
append(struct string_list *argv, const char *format, ...)
{
	CLEANUP_FREE char *word = NULL;
	va_list args;
	int length;

	va_start(args, format);
	length = vasprintf(&word, format, args);
	va_end(args);
	if (length == -1) {
		word = NULL;
		return -1;
	}
	return string_list_append(argv, word);
}

/* ssh and what is for it. */
static int
append_ssh(struct string_list *argv, const struct uri *uri, bool compress)
{
	if (append(argv, "ssh") == -1 || (compress && append(argv, "-C") == -1))
		return -1;
	if (append(argv, "-p") == -1 ||
	    append(argv, "%d", uri->port ? uri->port : SSH_PORT) == -1)
		return -1;
	if (uri->user && *uri->user &&
	    (append(argv, "-o") == -1 ||
	     append(argv, "User=%s", uri->user) == -1))
		return -1;
	if (append(argv, "--") == -1)
		return -1;
	return uri->has_brackets ? append(argv, "[%s]", uri->host)
				 : append(argv, "%s", uri->host);
}

/* The command that connects to the server over there. */
static int
append_remote(struct string_list *argv, const struct uri *uri)
{
	const char *socket = uri_parameter(uri, "socket");
	const char *port = uri_parameter(uri, "nbd-port");

	if (append(argv, "nc") == -1)
		return -1;
	if (socket && append(argv, "-U") == -1)
		return -1;
	if (socket)
		return append(argv, "%s", socket);
	if (append(argv, "localhost") == -1)
		return -1;
	return port ? append(argv, "%s", port)
		    : append(argv, "%d", NBD_DEFAULT_PORT);
}

int
begin_connect_ssh(struct nbd_handle *h, const struct uri *uri)
{
	CLEANUP(string_list_done) struct string_list words = { 0 };
	char *argv[MAX_WORDS + 1] = { NULL };
	const char *compress_text = uri_parameter(uri, "compress");
	bool compress = false;

	if (check(uri) == -1)
		return -1;
	if (compress_text &&
	    uri_parse_bool("compress", compress_text, &compress) == -1)
		return -1;
	if (append_ssh(&words, uri, compress) == -1 ||
	    append_remote(&words, uri) == -1)
		return fail(ENOMEM, "nbd+ssh: making the command line");
	assert(words.n_items <= MAX_WORDS);
	memcpy(argv, words.items, words.n_items * sizeof(*argv));
	return engine_connect_command(h, argv);
}
