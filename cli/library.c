/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loading what only some commands need. */
#include "cli/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "cli/errors.h"

static int
fail_to_load(const char *soname)
{
	const char *seen = dlerror();

	return fail(EXIT_GENERAL, ENOENT,
		    "install it, or what it needs, and run ldconfig",
		    "cannot load %s: %s", soname, seen ? seen : "no reason");
}

int
library_load(const char *soname, const struct library_symbol *symbols,
	     size_t n_symbols)
{
	void *library = dlopen(soname, RTLD_LAZY | RTLD_LOCAL);

	if (!library)
		return fail_to_load(soname);
	for (size_t i = 0; i < n_symbols; i++) {
		void *address = dlsym(library, symbols[i].name);

		if (!address && !symbols[i].is_optional)
			return fail_to_load(soname);
		/* ISO C has no assignment of a void * to one of a function. */
		memcpy(symbols[i].place, &address, sizeof(address));
	}
	return EXIT_OK;
}
