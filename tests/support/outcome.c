/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Skipped and broken tests, and whether a program is installed. */
#include "tests/support/outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"

enum {
	STATUS_SKIPPED = 77,
	STATUS_BROKEN = 99,
};

void
test_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("skipped: ", stdout);
	vprintf(format, args);
	putchar('\n');
	va_end(args);
	exit(STATUS_SKIPPED);
}

void
test_broken(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("broken test: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(STATUS_BROKEN);
}

static bool
is_executable_in(const char *folder, const char *name)
{
	CLEANUP_FREE char *path = NULL;

	if (asprintf(&path, "%s/%s", folder, name) < 0)
		test_broken("out of memory");
	return access(path, X_OK) == 0;
}

bool
test_has_program(const char *name)
{
	CLEANUP_FREE char *path = strdup(getenv("PATH") ?: "/usr/bin:/bin");
	char *rest = path;
	const char *folder;

	if (strchr(name, '/'))
		return access(name, X_OK) == 0;
	while ((folder = strsep(&rest, ":")))
		if (is_executable_in(folder, name))
			return true;
	return false;
}

void
test_require_program(const char *name)
{
	if (!test_has_program(name))
		test_skip("%s is not installed", name);
}
