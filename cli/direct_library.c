/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libnbd, loaded. */
#include "cli/direct_library.h"

DIRECT_FUNCTIONS(LIBRARY_DEFINE)

int
direct_library_load(void)
{
	static const struct library_symbol symbols[] = { DIRECT_FUNCTIONS(
		LIBRARY_SYMBOL) };

	return library_load("libnbd.so.0", symbols,
			    sizeof(symbols) / sizeof(symbols[0]));
}
