/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a test prints on standard output, caught. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct capture {
	FILE *file;
	int saved;
};

static inline void
capture_start(struct capture *capture)
{
	fflush(stdout);
	capture->file = tmpfile();
	capture->saved = dup(STDOUT_FILENO);
	if (!capture->file || capture->saved < 0 ||
	    dup2(fileno(capture->file), STDOUT_FILENO) < 0)
		abort();
}

/* All of it; the caller frees it. */
static inline char *
capture_finish(struct capture *capture)
{
	char *text = calloc(1, 65536);

	fflush(stdout);
	if (!text || dup2(capture->saved, STDOUT_FILENO) < 0)
		abort();
	close(capture->saved);
	rewind(capture->file);
	if (fread(text, 1, 65535, capture->file) == 65535)
		abort();
	fclose(capture->file);
	return text;
}
