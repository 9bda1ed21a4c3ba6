/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A running server with a connected handle, for every kind of server. */
#include "tests/interop/fixture.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/support/outcome.h"
#include "tests/support/workdir.h"

const struct target *
target_find(const char *name)
{
	for (const struct target *target = targets; target->name; target++)
		if (!strcmp(target->name, name))
			return target;
	test_broken("there is no target %s", name);
}

struct nbd_handle *
fixture_new_handle(const struct fixture *fixture)
{
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_add_meta_context(h, LIBNBD_CONTEXT_BASE_ALLOCATION));
	assert_nbd_ok(nbd_set_export_name(h, fixture->target->export));
	if (fixture->target->prepare)
		fixture->target->prepare(fixture, h);
	return h;
}

void
fixture_connect(const struct fixture *fixture, struct nbd_handle *h)
{
	const struct server *server = &fixture->server;

	if (server->socket)
		assert_nbd_ok(nbd_connect_unix(h, server->socket));
	else
		assert_nbd_ok(nbd_connect_tcp(h, "127.0.0.1", server->port));
}

struct nbd_handle *
fixture_open(const struct fixture *fixture)
{
	struct nbd_handle *h = fixture_new_handle(fixture);

	fixture_connect(fixture, h);
	return h;
}

int
fixture_setup(void **state)
{
	struct fixture *fixture = *state;

	fixture->dir = workdir_make();
	fixture->target->start(&fixture->server, fixture->transport,
			       fixture->dir);
	fixture->h = fixture_open(fixture);
	return 0;
}

int
fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	nbd_close(fixture->h);
	server_stop(&fixture->server);
	workdir_remove(fixture->dir);
	return 0;
}

void
fixture_check_library(void)
{
	const char *wanted = getenv("NBD_TEST_LIBRARY");
	CLEANUP_FREE char *wanted_path = NULL;
	CLEANUP_FREE char *path = NULL;
	Dl_info info;
	union {
		struct nbd_handle *(*function)(void);
		void *address;
	} create = { .function = nbd_create };

	if (!dladdr(create.address, &info))
		test_broken("it is not known where libnbd comes from");
	path = realpath(info.dli_fname, NULL);
	printf("# running on %s\n", path ? path : info.dli_fname);
	fflush(stdout);
	if (!wanted)
		return;
	wanted_path = realpath(wanted, NULL);
	if (!path || !wanted_path || strcmp(path, wanted_path) != 0)
		test_broken("it should have been %s", wanted);
}

static int
run_on(const struct target *target, enum server_transport transport,
       const struct CMUnitTest *tests, size_t n_tests)
{
	CLEANUP_FREE struct CMUnitTest *copy = calloc(n_tests, sizeof(*copy));
	struct fixture fixture = { .target = target, .transport = transport };
	void *state = &fixture;
	int n_failed;

	fixture_setup(&state);
	for (size_t i = 0; i < n_tests; i++) {
		copy[i] = tests[i];
		copy[i].initial_state = &fixture;
	}
	printf("# %s, %s\n", target->name,
	       fixture.server.socket ? "unix" : "tcp");
	fflush(stdout);
	n_failed = _cmocka_run_group_tests(target->name, copy, n_tests, NULL,
					   NULL);
	fixture_teardown(&state);
	return n_failed;
}

int
fixture_run_everywhere(const struct CMUnitTest *tests, size_t n_tests,
		       unsigned needed)
{
	int n_failed = 0;

	for (const struct target *target = targets; target->name; target++)
		if (!test_has_program(target->program))
			test_skip("%s is not installed", target->program);
	for (const struct target *target = targets; target->name; target++) {
		if ((target->can & needed) != needed)
			continue;
		n_failed += run_on(target, SERVER_UNIX, tests, n_tests);
		if (!target->is_unix_only)
			n_failed += run_on(target, SERVER_TCP, tests, n_tests);
	}
	return n_failed;
}
