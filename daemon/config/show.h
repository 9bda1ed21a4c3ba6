/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration as it is in force, each value with where it comes from. */
#pragma once

#include "daemon/config/load.h"

enum show_mode {
	/* Every key. */
	SHOW_ALL,
	/* Those that a file sets. */
	SHOW_SET,
	/* Every key with its default; reads no file. */
	SHOW_DEFAULTS,
};

/*
 * Prints the configuration of FILE (NULL: the usual place) on standard output
 * in the form of its files; a comment behind each line says its file and line,
 * or "default". 0; -EINVAL with lines of MISTAKES and nothing printed; -ENOMEM.
 */
int configuration_show(const char *file, enum show_mode mode,
		       struct string_builder *mistakes);
