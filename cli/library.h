/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries that few commands need are loaded by those. A third of the time that
 * a short command takes would go into libnbd, gnutls and what these bring along,
 * for nothing. Of a function f of such a library sym_f is the address.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct library_symbol {
	const char *name;
	/* Where the address goes. */
	void *place;
	/* Not every version of the library has it. */
	bool is_optional;
};

/* For an X-list of functions: X(f). */
/* clang-format off */
#define LIBRARY_DECLARE(f)         extern __typeof__(f) *sym_##f;
#define LIBRARY_DEFINE(f)          __typeof__(f) *sym_##f;
#define LIBRARY_SYMBOL(f)          { #f, &sym_##f, false },
#define LIBRARY_OPTIONAL_SYMBOL(f) { #f, &sym_##f, true },
/* clang-format on */

/* Loads the library of this SONAME, which stays loaded, and finds all SYMBOLS;
 * optional ones may become NULL. EXIT_OK, or the code of a recorded failure. */
int library_load(const char *soname, const struct library_symbol *symbols,
		 size_t n_symbols);
