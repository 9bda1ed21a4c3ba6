/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory of a test's own, short enough for unix socket paths. */
#pragma once

#include <stddef.h>

/* A new empty directory. Never NULL: a test that gets none is broken. */
char *workdir_make(void);

/* Removes DIR and all it holds, and frees the string. NULL is allowed. */
void workdir_remove(char *dir);

/* "DIR/NAME", which the caller frees. */
char *workdir_path(const char *dir, const char *name);

/* A file of SIZE bytes, all hole. Returns its path, which the caller frees. */
char *workdir_sparse_file(const char *dir, const char *name, size_t size);

/* A file with this text. Returns its path, which the caller frees. */
char *workdir_text_file(const char *dir, const char *name, const char *text);

void cleanup_workdir(char **dir);
#define CLEANUP_WORKDIR __attribute__((cleanup(cleanup_workdir)))
