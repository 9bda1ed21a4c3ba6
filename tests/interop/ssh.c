/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nbd+ssh URIs, with an ssh that runs the remote command here: which words it
 * is run with, and that a server is reached. The system's library knows this
 * scheme only in later versions, so there is no control.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/interop/fixture.h"
#include "tests/support/outcome.h"
#include "tests/support/pattern.h"
#include "tests/support/workdir.h"

static char *dir;
static char *log_path;
static struct server on_unix;
static struct server on_tcp;

static void
cleanup_handle(struct nbd_handle **h)
{
	nbd_close(*h);
}

#define CLEANUP_HANDLE __attribute__((cleanup(cleanup_handle)))

/* The words ssh was run with, one blank between them. */
static char *
words_of_ssh(void)
{
	FILE *file = fopen(log_path, "re");
	char text[4096];
	size_t n;

	if (!file)
		return strdup("");
	n = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[n] = '\0';
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = c[1] ? ' ' : '\0';
	return strdup(text);
}

/* FORMAT has one %s, for ARGUMENT. */
static char *
text_of(const char *format, const char *argument)
{
	CLEANUP(string_builder_done)
	struct string_builder builder = STRING_BUILDER_INIT;
	const char *place = strstr(format, "%s");

	string_builder_append_bytes(&builder, format, (size_t)(place - format));
	string_builder_append(&builder, argument);
	string_builder_append(&builder, place + 2);
	return string_builder_take(&builder);
}

/* Connecting to the URI runs ssh with these words and reaches the server. */
static void
reach(const char *uri_format, const char *words_format, const char *argument)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_FREE char *uri = text_of(uri_format, argument);
	CLEANUP_FREE char *wanted = text_of(words_format, argument);
	CLEANUP_FREE char *words = NULL;
	uint8_t buffer[4096];

	unlink(log_path);
	assert_nbd_ok(nbd_connect_uri(h, uri));
	words = words_of_ssh();
	assert_string_equal(words, wanted);

	pattern_fill(buffer, sizeof(buffer), 1, 8192);
	assert_nbd_ok(nbd_pwrite(h, buffer, sizeof(buffer), 8192, 0));
	memset(buffer, 0, sizeof(buffer));
	assert_nbd_ok(nbd_pread(h, buffer, sizeof(buffer), 8192, 0));
	assert_int_equal(pattern_mismatch(buffer, sizeof(buffer), 1, 8192),
			 sizeof(buffer));
	assert_true(nbd_get_subprocess_pid(h) > 0);
	/* It is a subprocess, and those have no URI. */
	assert_null(nbd_get_uri(h));
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_nbd_ok(nbd_shutdown(h, 0));
}

static void
a_server_on_the_remote_host_is_reached(void **state)
{
	(void)state;
	reach("nbd+ssh://example.com/?socket=%s",
	      "-p 22 -- example.com nc -U %s", on_unix.socket);
	reach("NBD+SSH://me@example.com:2222/?socket=%s&compress=yes",
	      "-C -p 2222 -o User=me -- example.com nc -U %s", on_unix.socket);
	reach("nbd+ssh://example.com?nbd-port=%s",
	      "-p 22 -- example.com nc localhost %s", on_tcp.port);
	reach("nbd+ssh://me%40there@h?nbd-port=%s&compress=0",
	      "-p 22 -o User=me@there -- h nc localhost %s", on_tcp.port);
}

static void
words_are_as_they_should_be(void **state)
{
	(void)state;
	reach("nbd+ssh://[::1]:0/?socket=%s", "-p 22 -- [::1] nc -U %s",
	      on_unix.socket);
	/* What looks like an option is the name of a host. */
	reach("nbd+ssh://-oProxyCommand=evil/?socket=%s",
	      "-p 22 -- -oProxyCommand=evil nc -U %s", on_unix.socket);
	reach("nbd+ssh://-l@h/?socket=%s", "-p 22 -o User=-l -- h nc -U %s",
	      on_unix.socket);
}

static void
the_export_name_goes_to_the_server(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_FREE char *uri = text_of("nbd+ssh://h//a%20b?socket=%s",
					 on_unix.socket);
	CLEANUP_FREE char *name = NULL;

	(void)state;
	(void)uri;
	assert_nbd_ok(nbd_set_opt_mode(h, true));
	assert_nbd_ok(nbd_connect_uri(h, uri));
	name = nbd_get_export_name(h);
	assert_string_equal(name, "/a b");
	assert_nbd_ok(nbd_opt_abort(h));
}

/* Is refused before anything is run; the handle stays new. */
static void
refuse(const char *uri, int errnum)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	CLEANUP_FREE char *words = NULL;

	unlink(log_path);
	if (nbd_connect_uri(h, uri) != -1)
		fail_msg("%s: accepted", uri);
	if (nbd_get_errno() != errnum)
		fail_msg("%s: %s", uri, nbd_get_error());
	assert_int_equal(nbd_aio_is_created(h), 1);
	words = words_of_ssh();
	assert_string_equal(words, "");
}

static void
what_a_shell_could_misread_is_refused(void **state)
{
	static const char escapes[][4] = {
		"%09", "%0A", "%0D", "%22", "%24", "%26", "%27", "%28",
		"%29", "%2A", "%3B", "%3C", "%3E", "%3F", "%5B", "%5C",
		"%5D", "%60", "%7B", "%7C", "%7D", "%7E", "%21",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
		char uri[128];

		snprintf(uri, sizeof(uri), "nbd+ssh://h?socket=/a%sb",
			 escapes[i]);
		refuse(uri, EINVAL);
		snprintf(uri, sizeof(uri), "nbd+ssh://h?nbd-port=%s1",
			 escapes[i]);
		refuse(uri, EINVAL);
	}
	refuse("nbd+ssh://a%25b@h", EINVAL);
	refuse("nbd+ssh://a%60id%60@h", EINVAL);
	refuse("nbd+ssh://h%3Bid", EINVAL);
	refuse("nbd+ssh://h%0Aid", EINVAL);
	refuse("nbd+ssh:///", EINVAL);
	refuse("nbd+ssh://h?compress=perhaps", EINVAL);
}

static void
a_policy_may_forbid_it(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_nbd_ok(nbd_set_uri_allow_transports(
		h, LIBNBD_ALLOW_TRANSPORT_MASK & ~LIBNBD_ALLOW_TRANSPORT_SSH));
	assert_nbd_errno(nbd_connect_uri(h, "nbd+ssh://h"), EPERM);
	assert_int_equal(nbd_aio_is_created(h), 1);
}

static void
an_ssh_that_fails_is_a_dead_connection(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_connect_uri(h, "nbd+ssh://h?socket=/no/such"), -1);
	assert_int_equal(nbd_aio_is_dead(h), 1);
}

static int
start(void **state)
{
	(void)state;
	dir = workdir_make();
	log_path = workdir_path(dir, "words");
	setenv("FAKE_SSH_LOG", log_path, 1);
	server_start_line(&on_unix, SERVER_UNIX, "nbdkit memory 1M");
	server_start_line(&on_tcp, SERVER_TCP, "nbdkit memory 1M");
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	server_stop(&on_unix);
	server_stop(&on_tcp);
	workdir_remove(dir);
	free(log_path);
	return 0;
}

/* Puts FOLDER first in PATH. */
static void
prefer(const char *folder)
{
	CLEANUP_FREE char *path = NULL;

	if (asprintf(&path, "%s:%s", folder, getenv("PATH")) == -1)
		test_broken("out of memory");
	setenv("PATH", path, 1);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_on_the_remote_host_is_reached),
		cmocka_unit_test(words_are_as_they_should_be),
		cmocka_unit_test(the_export_name_goes_to_the_server),
		cmocka_unit_test(what_a_shell_could_misread_is_refused),
		cmocka_unit_test(a_policy_may_forbid_it),
		cmocka_unit_test(an_ssh_that_fails_is_a_dead_connection),
	};

	if (argc != 3)
		test_broken("usage: interop-ssh FOLDER-OF-SSH FOLDER-OF-NC");
	prefer(argv[1]);
	prefer(argv[2]);
	fixture_check_library();
	return cmocka_run_group_tests(tests, start, stop);
}
