/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A TLS server of GnuTLS's making, on the other end of a socketpair. */
#include "tests/unit/stream/tls_server.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/support/unit.h"
#include "tests/support/workdir.h"

static const char user[] = "alice";
static const char key[] = "0123456789abcdef0123456789abcdef";
static unsigned char raw_key[] = "\x01\x23\x45\x67\x89\xab\xcd\xef"
				 "\x01\x23\x45\x67\x89\xab\xcd\xef";

static int
find_key(gnutls_session_t session, const char *name, gnutls_datum_t *found)
{
	(void)session;
	if (strcmp(name, user) != 0)
		return -1;
	found->data = gnutls_malloc(sizeof(raw_key) - 1);
	found->size = sizeof(raw_key) - 1;
	memcpy(found->data, raw_key, sizeof(raw_key) - 1);
	return 0;
}

void
tls_server_make(gnutls_session_t *session,
		gnutls_psk_server_credentials_t *credentials, int fd,
		const char *priority)
{
	assert_int_equal(gnutls_init(session, GNUTLS_SERVER | GNUTLS_NONBLOCK |
						      GNUTLS_NO_SIGNAL),
			 0);
	assert_int_equal(gnutls_priority_set_direct(*session, priority, NULL),
			 0);
	assert_int_equal(gnutls_psk_allocate_server_credentials(credentials),
			 0);
	gnutls_psk_set_server_credentials_function(*credentials, find_key);
	assert_int_equal(
		gnutls_credentials_set(*session, GNUTLS_CRD_PSK, *credentials),
		0);
	gnutls_transport_set_int(*session, fd);
}

char *
tls_server_key_file(const char *dir)
{
	char line[80];

	snprintf(line, sizeof(line), "%s:%s\n", user, key);
	return workdir_text_file(dir, "keys.psk", line);
}

void
ends_make(struct ends *ends, const char *priority)
{
	int pair[2];

	*ends = (struct ends){ .server_fd = -1 };
	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, pair),
			 0);
	ends->stream = socket_stream_new(pair[0]);
	assert_non_null(ends->stream);
	ends->server_fd = pair[1];
	tls_server_make(&ends->server, &ends->credentials, ends->server_fd,
			priority);
	ends->dir = workdir_make();
	ends->psk_file = tls_server_key_file(ends->dir);
	ends->parameters = (struct tls_parameters){
		.psk_file = ends->psk_file,
		.username = user,
		.hostname = "",
		.debug = &ends->debug,
	};
}

void
ends_close(struct ends *ends)
{
	stream_close(ends->stream);
	ends_server_leaves(ends);
	gnutls_deinit(ends->server);
	gnutls_psk_free_server_credentials(ends->credentials);
	workdir_remove(ends->dir);
	free(ends->psk_file);
}

bool
ends_begin(struct ends *ends)
{
	struct stream *stream = tls_stream_new(ends->stream, &ends->parameters);

	if (!stream)
		return false;
	ends->stream = stream;
	return true;
}

bool
ends_is_readable(const struct ends *ends)
{
	struct pollfd poll_fd = { .fd = ends->stream->fd, .events = POLLIN };

	return poll(&poll_fd, 1, 0) == 1;
}

int
ends_shake_hands(struct ends *ends)
{
	int server = GNUTLS_E_AGAIN;
	int client;

	while ((client = tls_stream_handshake(ends->stream)) == STREAM_AGAIN) {
		/* It waits for something that is not there: else it would
		 * turn round and round. */
		assert_int_equal(stream_wants(ends->stream), STREAM_WANTS_READ);
		assert_false(ends_is_readable(ends));
		if (server == GNUTLS_E_AGAIN)
			server = gnutls_handshake(ends->server);
		if (server < 0 && gnutls_error_is_fatal(server)) {
			gnutls_alert_send_appropriate(ends->server, server);
			ends_server_leaves(ends);
		}
	}
	while (client == 0 && server == GNUTLS_E_AGAIN)
		server = gnutls_handshake(ends->server);
	return client;
}

int
ends_setup(void **state)
{
	struct ends *ends = malloc(sizeof(*ends));

	assert_non_null(ends);
	ends_make(ends, SERVER_PRIORITY);
	assert_true(ends_begin(ends));
	assert_int_equal(ends_shake_hands(ends), 0);
	*state = ends;
	return 0;
}

int
ends_teardown(void **state)
{
	ends_close(*state);
	free(*state);
	return 0;
}

void
ends_server_leaves(struct ends *ends)
{
	if (ends->server_fd >= 0)
		close(ends->server_fd);
	ends->server_fd = -1;
}

void
ends_server_says(struct ends *ends, const void *text, size_t size)
{
	assert_int_equal(gnutls_record_send(ends->server, text, size), size);
}

ssize_t
ends_receive(struct ends *ends, void *buffer, size_t size)
{
	const struct iovec vector = { .iov_base = buffer, .iov_len = size };

	return stream_receive(ends->stream, &vector, 1);
}
