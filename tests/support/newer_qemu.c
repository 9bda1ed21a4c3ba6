/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The script's words are the beginning of the command. */
#include "tests/support/newer_qemu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"

enum {
	MAX_WORDS = 32,
	SKIPPED = 77,
};

/* What the script prints: at most SIZE - 1 bytes. */
static void
ask_script(const char *script, char *text, size_t size)
{
	FILE *pipe = popen(script, "re");
	size_t n;
	int status;

	if (!pipe)
		test_broken("cannot run %s", script);
	n = fread(text, 1, size - 1, pipe);
	text[n] = '\0';
	status = pclose(pipe);
	if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)
		test_skip("there is no qemu-nbd with extended headers");
	if (status != 0)
		test_broken("%s ended with status 0x%x", script, status);
}

void
newer_qemu_start(struct server *server, enum server_transport transport,
		 const char *script, const char *const arguments[])
{
	char text[4096];
	char *rest = text;
	char *word;
	const char *argv[MAX_WORDS + 1] = { NULL };
	size_t n = 0;

	ask_script(script, text, sizeof(text));
	while ((word = strsep(&rest, "\n")) && *word && n < MAX_WORDS)
		argv[n++] = word;
	while (*arguments && n < MAX_WORDS)
		argv[n++] = *arguments++;
	if (n == 0 || n == MAX_WORDS)
		test_broken("%s: no command, or too long", script);
	server_start(server, transport, argv);
}
