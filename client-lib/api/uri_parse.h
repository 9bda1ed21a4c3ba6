/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NBD URIs as text: taken apart and put together. Nothing here knows a
 * handle or what a handle allows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Default TCP and vsock port. */
#define NBD_DEFAULT_PORT 10809

/* X(scheme, transport, is TLS) */
/* clang-format off */
#define URI_SCHEMES(X) \
	X("nbd",        TCP,   false) \
	X("nbds",       TCP,   true) \
	X("nbd+unix",   UNIX,  false) \
	X("nbds+unix",  UNIX,  true) \
	X("nbd+vsock",  VSOCK, false) \
	X("nbds+vsock", VSOCK, true) \
	X("nbd+ssh",    SSH,   false) \
	X("nbds+ssh",   SSH,   true)
/* clang-format on */

enum uri_transport {
	URI_TCP,
	URI_UNIX,
	URI_VSOCK,
	URI_SSH,
};

struct uri_scheme {
	const char *name;
	enum uri_transport transport;
	bool is_tls;
};

/* One "key=value" of the query, decoded. */
struct uri_parameter {
	char *key;
	char *value;
};

/* Every string is decoded and owned; NULL where the URI has none. */
struct uri {
	const struct uri_scheme *scheme;
	char *user;
	char *host; /* an IPv6 address comes without its brackets */
	bool has_brackets;
	int port; /* as written; 0 if there is none */
	char *export_name;
	struct uri_parameter *parameters; /* in order */
	size_t n_parameters;
};

/* Takes TEXT apart. 0, or -1 with the error recorded. Whatever the outcome,
 * uri_done() releases URI. */
int uri_parse(struct uri *uri, const char *text);
void uri_done(struct uri *uri);

/* The last value of KEY in the query, or NULL. */
const char *uri_parameter(const struct uri *uri, const char *key);

/* 1, true, t, yes, y, on and 0, false, f, no, n, off in any case. KEY is for
 * the error. 0, or -1 with the error recorded. */
int uri_parse_bool(const char *key, const char *value, bool *result);

/* Does TEXT begin with one of the schemes and "://"? */
bool uri_has_scheme(const char *text);

/* The scheme of a transport. */
const struct uri_scheme *uri_find_scheme(enum uri_transport transport,
					 bool is_tls);
