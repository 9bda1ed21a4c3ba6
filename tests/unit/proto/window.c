/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the client lets the daemon send, as it says so in HTTP/2's frames. */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/byteorder.h"
#include "common/cleanup.h"
#include "proto/client.h"
#include "tests/support/unit.h"
#include "tests/support/workdir.h"

/* RFC 9113, sections 3.4, 4.1, 6.9 and 6.9.2 */
#define PREFACE_SIZE   24
#define HEADER_SIZE    9
#define WINDOW_UPDATE  8
#define INITIAL_WINDOW 65535u

/* Nothing that is waited for takes so long. */
#define LONG_S 60

static int
listen_at(const char *path)
{
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(strlen(path) < sizeof(where.sun_path));
	memcpy(where.sun_path, path, strlen(path) + 1);
	assert_int_equal(
		bind(fd, (const struct sockaddr *)&where, sizeof(where)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static int
accept_from(int listener)
{
	const struct timeval timeout = { .tv_sec = LONG_S };
	int fd = accept(listener, NULL, NULL);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
				    sizeof(timeout)),
			 0);
	return fd;
}

static void
read_all(int fd, void *to, size_t length)
{
	assert_int_equal(recv(fd, to, length, MSG_WAITALL), length);
}

/* The connection's window after the first update of it. */
static uint32_t
read_window(int fd)
{
	uint8_t preface[PREFACE_SIZE];

	read_all(fd, preface, sizeof(preface));
	for (;;) {
		uint8_t header[HEADER_SIZE];
		uint8_t payload[256];
		uint32_t length;

		read_all(fd, header, sizeof(header));
		length = load_be32(header) >> 8;
		assert_true(length <= sizeof(payload));
		if (length > 0)
			read_all(fd, payload, length);
		if (header[3] == WINDOW_UPDATE && load_be32(header + 5) == 0)
			return INITIAL_WINDOW + load_be32(payload);
	}
}

/* 256 KiB of replies to 64 reads of 4 KiB, and as much again that is not read
 * yet: with gRPC's 64 KiB each such message waited in the middle. */
static void
replies_to_many_small_reads_fit_into_the_connections_window(void **state)
{
	CLEANUP_WORKDIR char *dir = workdir_make();
	CLEANUP_FREE char *path = workdir_path(dir, "socket");
	CLEANUP_CLOSE int listener = listen_at(path);
	CLEANUP_CLOSE int fd = -1;
	struct client_error error;
	struct client *client = client_connect(path, &error);

	(void)state;
	assert_non_null(client);
	fd = accept_from(listener);
	assert_true(read_window(fd) >= 2 * 64 * 4096);
	client_free(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			replies_to_many_small_reads_fit_into_the_connections_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
