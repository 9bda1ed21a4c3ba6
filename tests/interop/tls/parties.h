/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Clients and servers that trust each other or do not: directories of
 * certificates, made once for a program, and nbdkit serving with one of them.
 */
#pragma once

#include "tests/interop/fixture.h"

/* What is in the directories. All authorities but "other" are the same. */
#define PARTIES(X)                                                     \
	X(good)      /* an authority, a server and a client */         \
	X(other)     /* another authority, with a server and client */ \
	X(expired)   /* the server's certificate has expired */        \
	X(future)    /* or is not valid yet */                         \
	X(elsewhere) /* or is for the host disks.example.org */        \
	X(posing)    /* or is meant for clients */                     \
	X(revoking)  /* a list that revokes the server of "good" */    \
	X(bare)      /* just the authority */

struct parties {
	char *dir;
#define PARTY_MEMBER(name) char *name;
	PARTIES(PARTY_MEMBER)
#undef PARTY_MEMBER
	char *keys; /* of alice and bob */
};

/* Group set-up and tear-down of cmocka; *STATE becomes a struct parties *. */
int parties_setup(void **state);
int parties_teardown(void **state);

/* Starts nbdkit with a megabyte, and with the OPTIONS, separated by blanks.
 * "DIR" may stand in them for the directory of all parties. */
void parties_serve(const struct parties *parties, struct server *server,
		   enum server_transport transport, const char *options);

/* A new handle that requires TLS and has the certificates in DIR. */
struct nbd_handle *parties_client(const char *dir);

/* A new handle that requires TLS and is USER, with a key from FILE. */
struct nbd_handle *parties_user(const char *file, const char *user);

/* Connects H to SERVER: 0, or -1 like libnbd. */
int parties_connect(struct nbd_handle *h, const struct server *server);

/* H gets a connection that is encrypted and works; closes H. */
void parties_expect_success(struct nbd_handle *h, const struct server *server);

/* H gets none, and the error has ERRNUM and PART in it, unless they are -1 and
 * NULL; closes H. */
void parties_expect_failure(struct nbd_handle *h, const struct server *server,
			    int errnum, const char *part);
