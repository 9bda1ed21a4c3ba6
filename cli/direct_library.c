/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libnbd, loaded. */
#include "cli/direct_library.h"

DIRECT_FUNCTIONS(LIBRARY_DEFINE)
DIRECT_NEWER_FUNCTIONS(LIBRARY_DEFINE)

/* clang-format off */
static const struct library_symbol symbols[] = {
	DIRECT_FUNCTIONS(LIBRARY_SYMBOL)
	DIRECT_NEWER_FUNCTIONS(LIBRARY_OPTIONAL_SYMBOL)
};
/* clang-format on */

int
direct_library_load(void)
{
	return library_load("libnbd.so.0", symbols,
			    sizeof(symbols) / sizeof(symbols[0]));
}
