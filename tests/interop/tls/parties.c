/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Certificates good and bad, and a server that shows them. */
#include "tests/interop/tls/parties.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/support/outcome.h"
#include "tests/support/tls_material.h"
#include "tests/support/workdir.h"

static char *
make_directory(const char *dir, const char *name)
{
	char *path = workdir_path(dir, name);

	if (mkdir(path, 0700) < 0)
		test_broken("cannot make %s", path);
	return path;
}

/* A server's certificate in DIR by the authority of "good", who is trusted
 * there, too. */
static void
make_variant(const struct parties *parties, const char *dir,
	     struct tls_certificate certificate)
{
	certificate.authority = parties->good;
	if (!certificate.purpose)
		certificate.purpose = "tls_www_server";
	if (!certificate.names)
		certificate.names = "dns_name = localhost\n"
				    "ip_address = 127.0.0.1\n";
	tls_make_certificate(dir, "server", "", &certificate);
	tls_copy(parties->good, "ca-cert.pem", dir);
}

#define MAKE_VARIANT(parties, name, ...)         \
	make_variant((parties), (parties)->name, \
		     (struct tls_certificate){ __VA_ARGS__ })

static void
make_everything(const struct parties *parties)
{
	tls_make_authority(parties->good, "the tests");
	tls_make_server(parties->good);
	tls_make_client(parties->good);
	tls_make_authority(parties->other, "somebody else");
	tls_make_server(parties->other);
	tls_make_client(parties->other);
	MAKE_VARIANT(parties, expired, .begins = "2020-01-01 00:00:00",
		     .ends = "2020-01-02 00:00:00");
	MAKE_VARIANT(parties, future, .begins = "2035-01-01 00:00:00",
		     .ends = "2036-01-01 00:00:00");
	MAKE_VARIANT(parties, elsewhere,
		     .names = "dns_name = disks.example.org\n");
	MAKE_VARIANT(parties, posing, .purpose = "tls_www_client");
	tls_copy(parties->good, "ca-cert.pem", parties->bare);
	tls_copy(parties->good, "ca-cert.pem", parties->revoking);
	tls_copy(parties->good, "ca-key.pem", parties->revoking);
	tls_copy(parties->good, "server-cert.pem", parties->revoking);
	tls_make_revocation(parties->revoking, "server-cert.pem");
}

int
parties_setup(void **state)
{
	struct parties *parties = calloc(1, sizeof(*parties));

	parties->dir = workdir_make();
#define MAKE_PARTY(name) parties->name = make_directory(parties->dir, #name);
	PARTIES(MAKE_PARTY)
#undef MAKE_PARTY
	make_everything(parties);
	free(tls_make_key(parties->dir, "alice"));
	parties->keys = tls_make_key(parties->dir, "bob");
	*state = parties;
	return 0;
}

int
parties_teardown(void **state)
{
	struct parties *parties = *state;

#define FREE_PARTY(name) free(parties->name);
	PARTIES(FREE_PARTY)
#undef FREE_PARTY
	free(parties->keys);
	workdir_remove(parties->dir);
	free(parties);
	return 0;
}

void
parties_serve(const struct parties *parties, struct server *server,
	      enum server_transport transport, const char *options)
{
	CLEANUP_FREE char *line = NULL;
	const char *rest = options;
	const char *at;
	struct string_builder builder = STRING_BUILDER_INIT;

	string_builder_append(&builder, "nbdkit ");
	while ((at = strstr(rest, "DIR"))) {
		string_builder_append_bytes(&builder, rest,
					    (size_t)(at - rest));
		string_builder_append(&builder, parties->dir);
		rest = at + 3;
	}
	string_builder_append(&builder, rest);
	string_builder_append(&builder, " memory 1M");
	line = string_builder_take(&builder);
	server_start_line(server, transport, line);
}

struct nbd_handle *
parties_client(const char *dir)
{
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_REQUIRE));
	assert_nbd_ok(nbd_set_tls_certificates(h, dir));
	return h;
}

struct nbd_handle *
parties_user(const char *file, const char *user)
{
	struct nbd_handle *h = nbd_create();

	assert_non_null(h);
	assert_nbd_ok(nbd_set_tls(h, LIBNBD_TLS_REQUIRE));
	assert_nbd_ok(nbd_set_tls_psk_file(h, file));
	if (user)
		assert_nbd_ok(nbd_set_tls_username(h, user));
	return h;
}

int
parties_connect(struct nbd_handle *h, const struct server *server)
{
	if (server->socket)
		return nbd_connect_unix(h, server->socket);
	return nbd_connect_tcp(h, "127.0.0.1", server->port);
}

void
parties_expect_success(struct nbd_handle *h, const struct server *server)
{
	char text[512] = "something";
	char back[512];

	assert_nbd_ok(parties_connect(h, server));
	assert_int_equal(nbd_get_tls_negotiated(h), 1);
	assert_nbd_ok(nbd_pwrite(h, text, sizeof(text), 4096, 0));
	assert_nbd_ok(nbd_pread(h, back, sizeof(back), 4096, 0));
	assert_memory_equal(text, back, sizeof(text));
	assert_nbd_ok(nbd_shutdown(h, 0));
	assert_int_equal(nbd_aio_is_closed(h), 1);
	nbd_close(h);
}

void
parties_expect_failure(struct nbd_handle *h, const struct server *server,
		       int errnum, const char *part)
{
	assert_int_equal(parties_connect(h, server), -1);
	if (errnum != -1)
		assert_int_equal(nbd_get_errno(), errnum);
	if (part && !strstr(nbd_get_error(), part))
		fail_msg("\"%s\" is not in: %s", part, nbd_get_error());
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
}
