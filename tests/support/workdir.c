/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A directory of a test's own and the files in it. */
#include "tests/support/workdir.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"

enum {
	MAX_KEPT = 256
};

/* Directories to remove at exit: a failed assertion jumps over the caller's
 * own clean-up. Only the process that made them does so. */
static char *kept[MAX_KEPT];
static pid_t owner;

static int
remove_entry(const char *path, const struct stat *status, int kind,
	     struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

static void
remove_tree(const char *dir)
{
	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void
remove_kept(void)
{
	if (getpid() != owner)
		return;
	for (size_t i = 0; i < MAX_KEPT; i++)
		if (kept[i]) {
			remove_tree(kept[i]);
			free(kept[i]);
			kept[i] = NULL;
		}
}

static void
keep(const char *dir)
{
	if (owner == 0) {
		owner = getpid();
		atexit(remove_kept);
	}
	for (size_t i = 0; i < MAX_KEPT; i++)
		if (!kept[i]) {
			kept[i] = strdup(dir);
			return;
		}
}

static void
forget(const char *dir)
{
	for (size_t i = 0; i < MAX_KEPT; i++)
		if (kept[i] && !strcmp(kept[i], dir)) {
			free(kept[i]);
			kept[i] = NULL;
			return;
		}
}

char *
workdir_make(void)
{
	char *dir = strdup("/tmp/nbdtest.XXXXXX");

	if (!dir || !mkdtemp(dir))
		test_broken("cannot make a directory under /tmp: %s",
			    strerror(errno));
	keep(dir);
	return dir;
}

void
workdir_remove(char *dir)
{
	if (!dir)
		return;
	remove_tree(dir);
	forget(dir);
	free(dir);
}

void
cleanup_workdir(char **dir)
{
	workdir_remove(*dir);
}

char *
workdir_path(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		test_broken("out of memory");
	return path;
}

static int
create_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		test_broken("cannot create %s: %s", path, strerror(errno));
	return fd;
}

char *
workdir_sparse_file(const char *dir, const char *name, size_t size)
{
	char *path = workdir_path(dir, name);
	CLEANUP_CLOSE int fd = create_file(path);

	if (ftruncate(fd, (off_t)size) < 0)
		test_broken("cannot size %s: %s", path, strerror(errno));
	return path;
}

char *
workdir_text_file(const char *dir, const char *name, const char *text)
{
	char *path = workdir_path(dir, name);
	CLEANUP_CLOSE int fd = create_file(path);
	size_t length = strlen(text);

	if (write(fd, text, length) != (ssize_t)length)
		test_broken("cannot write %s: %s", path, strerror(errno));
	return path;
}
