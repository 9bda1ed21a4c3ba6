/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Connecting to URIs: what they set, what is allowed, what comes back. */
#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/server.h"
#include "tests/unit/api/support.h"

static struct server on_unix;
static struct server on_tcp;

static int
start_servers(void **state)
{
	(void)state;
	server_start_line(&on_unix, SERVER_UNIX, "nbdkit memory 1M");
	server_start_line(&on_tcp, SERVER_TCP, "nbdkit memory 1M");
	return 0;
}

static int
stop_servers(void **state)
{
	(void)state;
	server_stop(&on_unix);
	server_stop(&on_tcp);
	return 0;
}

/* Connecting a new handle to URI fails, and the handle can still be used. */
static void
refuse(const char *uri, int errnum, const char *part)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	if (nbd_connect_uri(h, uri) != -1)
		fail_msg("%s: accepted", uri);
	if (nbd_get_errno() != errnum || !strstr(nbd_get_error(), part))
		fail_msg("%s: expected errno %d and \"%s\", got %d: %s", uri,
			 errnum, part, nbd_get_errno(), nbd_get_error());
	assert_int_equal(nbd_aio_is_created(h), 1);
}

static void
wrong_uris_are_refused(void **state)
{
	(void)state;
	refuse("not a URI", EINVAL, "unable to parse");
	refuse("nbd+unix:///", EINVAL, "?socket=");
	refuse("nbd://h?socket=/s", EINVAL, "nbd+unix");
	refuse("nbd+vsock://1?socket=/s", EINVAL, "socket");
	refuse("nbd+vsock://x", EINVAL, "CID");
	refuse("nbd+vsock://4294967296", EINVAL, "CID");
	refuse("nbd+vsock://1?nbd-port=x", EINVAL, "nbd-port");
	refuse("nbd://h?tls-verify-peer=maybe", EINVAL, "tls-verify-peer");
	refuse("nbd://h?compress=maybe", EINVAL, "compress");
	refuse("nbd://h?tls-psk-file=/f", EPERM, "tls-psk-file");
	refuse("nbd://h?tls-certificates=/d", EPERM, "tls-certificates");
	refuse("nbd://h?tls-priority=NORMAL", EPERM, "tls-priority");
	/* What is looked at first: transport before socket. */
	refuse("nbd+unix:///?tls-psk-file=/f", EINVAL, "?socket=");
}

static void
a_handle_may_forbid_transports_and_tls(void **state)
{
	struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(
		nbd_set_uri_allow_transports(h, LIBNBD_ALLOW_TRANSPORT_TCP), 0);
	assert_fails_with(nbd_connect_uri(h, on_unix.uri), EPERM, "nbd+unix");
	assert_fails_with(nbd_connect_uri(h, "nbd+vsock://1"), EPERM, "vsock");
	assert_fails_with(nbd_connect_uri(h, "nbd+ssh://h"), EPERM, "ssh");
	assert_int_equal(nbd_set_uri_allow_tls(h, LIBNBD_TLS_DISABLE), 0);
	assert_fails_with(nbd_connect_uri(h, "nbds://h"), EPERM, "nbds");
	assert_int_equal(nbd_set_uri_allow_tls(h, LIBNBD_TLS_REQUIRE), 0);
	assert_fails_with(nbd_connect_uri(h, on_tcp.uri), EPERM, "nbd");
	assert_int_equal(nbd_set_uri_allow_tls(h, LIBNBD_TLS_ALLOW), 0);
	assert_int_equal(nbd_connect_uri(h, on_tcp.uri), 0);
	nbd_close(h);
}

static void
a_uri_makes_settings(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char uri[512];

	(void)state;
	assert_int_equal(nbd_set_uri_allow_local_file(h, true), 0);
	assert_int_equal(nbd_set_uri_allow_tls_priority(h, true), 0);
	snprintf(uri, sizeof(uri),
		 "nbd+unix://us%%65r:pw@/an%%20export?socket=%s"
		 "&TLS-Verify-Peer=off&tls-hostname=name&tls-priority=SECURE"
		 "&tls-psk-file=/keys&unknown=1",
		 on_unix.socket);
	assert_int_equal(nbd_connect_uri(h, uri), 0);
	assert_text_is(nbd_get_export_name(h), "an export");
	assert_text_is(nbd_get_tls_username(h), "user:pw");
	assert_text_is(nbd_get_tls_hostname(h), "name");
	assert_text_is(nbd_get_tls_priority(h), "SECURE");
	assert_int_equal(nbd_get_tls_verify_peer(h), 0);
	assert_int_equal(nbd_shutdown(h, 0), 0);
}

static void
tls_username_goes_before_the_user_of_the_uri(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char uri[512];

	(void)state;
	snprintf(uri, sizeof(uri),
		 "nbd+unix://one@/?tls-username=two&socket=%s", on_unix.socket);
	assert_int_equal(nbd_connect_uri(h, uri), 0);
	assert_text_is(nbd_get_tls_username(h), "two");
}

static void
nbd_port_replaces_the_port(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char uri[128];
	char expected[128];

	(void)state;
	snprintf(uri, sizeof(uri), "nbd://127.0.0.1:1/x?nbd-port=%s",
		 on_tcp.port);
	assert_int_equal(nbd_connect_uri(h, uri), 0);
	snprintf(expected, sizeof(expected), "nbd://127.0.0.1:%s/x",
		 on_tcp.port);
	assert_text_is(nbd_get_uri(h), expected);
}

/* What nbd_get_uri() says of H leads to the same place. */
static void
check_round_trip(struct nbd_handle *h)
{
	CLEANUP_HANDLE struct nbd_handle *again = nbd_create();
	char *uri = nbd_get_uri(h);
	char *first_export;
	char *second;

	assert_non_null(uri);
	assert_int_equal(nbd_is_uri(h, uri), 1);
	if (nbd_connect_uri(again, uri) != 0)
		fail_msg("%s: %s", uri, nbd_get_error());
	first_export = nbd_get_export_name(h);
	assert_text_is(nbd_get_export_name(again), first_export);
	second = nbd_get_uri(again);
	assert_string_equal(second, uri);
	free(first_export);
	free(second);
	free(uri);
}

static void
the_uri_of_a_handle_leads_to_the_same_place(void **state)
{
	static const char *const names[] = {
		"",    "plain",     "with space", "a/b",    "/",
		"%41", "q?u=e&r#y", "\xc3\xbc",   "[x]:;@",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
		CLEANUP_HANDLE struct nbd_handle *t = nbd_create();

		assert_int_equal(nbd_set_export_name(h, names[i]), 0);
		assert_int_equal(nbd_connect_unix(h, on_unix.socket), 0);
		check_round_trip(h);
		assert_int_equal(nbd_set_export_name(t, names[i]), 0);
		assert_int_equal(nbd_connect_tcp(t, "localhost", on_tcp.port),
				 0);
		check_round_trip(t);
	}
}

static void
connections_without_an_address_have_no_uri(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char **argv = WORDS("nbdkit", "-s", "--exit-with-parent", "memory",
			    "1M");

	(void)state;
	assert_null(nbd_get_uri(h));
	assert_int_equal(nbd_get_errno(), ENOTCONN);
	assert_int_equal(nbd_connect_command(h, argv), 0);
	assert_null(nbd_get_uri(h));
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_true(nbd_get_subprocess_pid(h) > 0);
	assert_int_equal(nbd_shutdown(h, 0), 0);
}

static void
socket_activation_has_a_uri(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char **argv = WORDS("nbdkit", "memory", "1M");
	char *uri;

	(void)state;
	if (nbd_connect_systemd_socket_activation(h, argv) != 0)
		fail_msg("%s", nbd_get_error());
	uri = nbd_get_uri(h);
	assert_non_null(uri);
	assert_memory_equal(uri, "nbd+unix:///?socket=/tmp/", 25);
	free(uri);
	assert_int_equal(nbd_get_size(h), 1 << 20);
	assert_fails_with(nbd_kill_subprocess(h, -1), EINVAL, "signum");
	assert_int_equal(nbd_kill_subprocess(h, 0), 0);
}

static void
is_uri_looks_at_the_beginning(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_int_equal(nbd_is_uri(h, "nbd://"), 1);
	assert_int_equal(nbd_is_uri(h, "NBDS+vsock://?|"), 1);
	assert_int_equal(nbd_is_uri(h, "http://"), 0);
	assert_int_equal(nbd_is_uri(h, ""), 0);
}

static void
a_tcp_port_nobody_listens_on_leaves_the_handle_usable(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();

	(void)state;
	assert_fails_with(nbd_connect_tcp(h, "127.0.0.1", "1"), ECONNREFUSED,
			  "connect: 127.0.0.1:1: ");
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_fails_with(nbd_connect_tcp(h, "localhost", "no such port"), 0,
			  "getaddrinfo: ");
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_int_equal(nbd_connect_tcp(h, "127.0.0.1", on_tcp.port), 0);
}

static void
a_unix_socket_that_is_not_there_is_the_end(void **state)
{
	CLEANUP_HANDLE struct nbd_handle *h = nbd_create();
	char path[110];

	(void)state;
	memset(path, 'x', sizeof(path));
	path[109] = '\0';
	assert_fails_with(nbd_connect_unix(h, path), ENAMETOOLONG, "108");
	assert_int_equal(nbd_aio_is_created(h), 1);
	assert_fails_with(nbd_connect_unix(h, "/no/such/socket"), ENOENT,
			  "connect: ");
	assert_int_equal(nbd_aio_is_dead(h), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_uris_are_refused),
		cmocka_unit_test(a_handle_may_forbid_transports_and_tls),
		cmocka_unit_test(a_uri_makes_settings),
		cmocka_unit_test(tls_username_goes_before_the_user_of_the_uri),
		cmocka_unit_test(nbd_port_replaces_the_port),
		cmocka_unit_test(the_uri_of_a_handle_leads_to_the_same_place),
		cmocka_unit_test(connections_without_an_address_have_no_uri),
		cmocka_unit_test(socket_activation_has_a_uri),
		cmocka_unit_test(is_uri_looks_at_the_beginning),
		cmocka_unit_test(
			a_tcp_port_nobody_listens_on_leaves_the_handle_usable),
		cmocka_unit_test(a_unix_socket_that_is_not_there_is_the_end),
	};

	unsetenv("LIBNBD_DEBUG");
	return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
