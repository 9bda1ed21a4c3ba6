/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same test cases on every server: a target says how to start a server
 * and what it can do, a fixture is one running server with a connected
 * handle. Programs here use only what <libnbd.h> offered in 1.14, so that the
 * same binaries also run on another libnbd as a check on the tests.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* needs the four above */
#include <libnbd.h>
#include <stdbool.h>

#include "tests/support/server.h"

enum {
	DISK_SIZE = 8 << 20,
};

enum capability {
	CAN_TRIM = 1 << 0,
	CAN_ZERO = 1 << 1,
	CAN_CACHE = 1 << 2,
	CAN_MAP = 1 << 3,
	CAN_MULTI = 1 << 4, /* several connections, coherent */
	CAN_SHRED = 1 << 5, /* structured replies */
	CAN_FUA = 1 << 6,
	CAN_LIST = 1 << 7,
};

struct fixture;

struct target {
	const char *name;
	const char *program;
	const char *export; /* its name */
	unsigned can;
	/* Starts the server; the image it may need lies in DIR. */
	void (*start)(struct server *server, enum server_transport transport,
		      const char *dir);
	bool is_unix_only;
	/* Settings that a handle needs, or NULL. */
	void (*prepare)(const struct fixture *fixture, struct nbd_handle *h);
};

struct fixture {
	const struct target *target;
	enum server_transport transport;
	char *dir;
	struct server server;
	struct nbd_handle *h; /* connected, with base:allocation asked for */
};

/* All servers, ended by a target without a name. Programs about
 * TLS have a table of their own, tls/targets.c. */
extern const struct target targets[];

/* The target of this name. */
const struct target *target_find(const char *name);

/* A new handle for the fixture's server, not yet connected. */
struct nbd_handle *fixture_new_handle(const struct fixture *fixture);

/* Connects H to the fixture's server; the test fails if that fails. */
void fixture_connect(const struct fixture *fixture, struct nbd_handle *h);

/* Both of the above. */
struct nbd_handle *fixture_open(const struct fixture *fixture);

/* Group set-up and tear-down of cmocka: *STATE is a struct fixture whose
 * target and transport are set; server, image and handle come and go. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Checks which libnbd this program runs on (the environment variable
 * NBD_TEST_LIBRARY names the file) and says so. First in every main(). */
void fixture_check_library(void);

/*
 * Runs TESTS, N_TESTS of them, on every target that has all of NEEDED, on a
 * unix socket and over TCP. Returns the number of failed tests.
 */
int fixture_run_everywhere(const struct CMUnitTest *tests, size_t n_tests,
			   unsigned needed);

/* Fails the test with libnbd's own words unless RESULT is not negative. */
#define assert_nbd_ok(result)                                         \
	do {                                                          \
		if ((result) < 0)                                     \
			fail_msg("%s: %s", #result, nbd_get_error()); \
	} while (0)

/* The call must fail, with this errno. */
#define assert_nbd_errno(result, errnum)                     \
	do {                                                 \
		assert_int_equal((result), -1);              \
		assert_int_equal(nbd_get_errno(), (errnum)); \
	} while (0)
