/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The least that a client can do, to tell what a library costs from what the
 * kernel, GnuTLS and the server cost: a loop that sends requests and counts
 * the bytes of the answers. It checks nothing and gives nobody their data.
 *
 *   bench-floor SOCKET|PORT read|write SIZE DEPTH SECONDS [BATCH [KEYS]]
 *
 * At most BATCH requests leave in one piece. With KEYS, a file as psktool
 * writes it with the user "bench", the connection is encrypted. It prints
 * operations per second, MB/s and microseconds of processor time per operation.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client-lib/wire/protocol.h"
#include "common/byteorder.h"
#include "tests/bench/clock.h"

enum {
	MAX_DEPTH = 1024,
	DISK_SIZE = 1 << 30,
	RECORD_SIZE = 16384,
	BUFFER_SIZE = 256 * 1024,
};

struct floor {
	int fd;
	gnutls_session_t tls; /* NULL: none */
	bool is_write;
	size_t size;
	size_t reply_size;
	unsigned batch;
	uint64_t random;

	uint8_t headers[MAX_DEPTH][NBD_REQUEST_SIZE];
	struct iovec vectors[2 * MAX_DEPTH];
	uint8_t *payload;
	uint8_t *in;
	uint8_t *plaintext;  /* of a batch */
	uint8_t *ciphertext; /* of it, or what was received */
	size_t in_begin;     /* of the ciphertext received */
	size_t in_end;
	uint8_t *out;
	size_t out_end;
};

static _Noreturn void
give_up(const char *what)
{
	fprintf(stderr, "bench-floor: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void
send_all(struct floor *f, struct iovec *vectors, size_t n_vectors)
{
	struct msghdr message = { .msg_iov = vectors, .msg_iovlen = n_vectors };

	while (message.msg_iovlen > 0) {
		ssize_t n = sendmsg(f->fd, &message, MSG_NOSIGNAL);

		if (n < 0)
			give_up("sendmsg");
		while (message.msg_iovlen > 0 &&
		       (size_t)n >= message.msg_iov->iov_len) {
			n -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (n > 0) {
			message.msg_iov->iov_base =
				(uint8_t *)message.msg_iov->iov_base + n;
			message.msg_iov->iov_len -= (size_t)n;
		}
	}
}

static void
flush(struct floor *f)
{
	struct iovec rest = { f->out, f->out_end };

	send_all(f, &rest, 1);
	f->out_end = 0;
}

static ssize_t
push(gnutls_transport_ptr_t pointer, const void *bytes, size_t size)
{
	struct floor *f = pointer;

	if (f->out_end + size > BUFFER_SIZE)
		flush(f);
	memcpy(f->out + f->out_end, bytes, size);
	f->out_end += size;
	return (ssize_t)size;
}

static ssize_t
pull(gnutls_transport_ptr_t pointer, void *bytes, size_t size)
{
	struct floor *f = pointer;
	size_t n;

	if (f->in_begin == f->in_end) {
		ssize_t received;

		if (f->out_end > 0)
			flush(f);
		received = recv(f->fd, f->ciphertext, BUFFER_SIZE, 0);
		if (received <= 0)
			return received;
		f->in_begin = 0;
		f->in_end = (size_t)received;
	}
	n = f->in_end - f->in_begin;
	if (n > size)
		n = size;
	memcpy(bytes, f->ciphertext + f->in_begin, n);
	f->in_begin += n;
	return (ssize_t)n;
}

static void
send_bytes(struct floor *f, const void *bytes, size_t size)
{
	if (f->tls) {
		for (size_t at = 0; at < size; at += RECORD_SIZE)
			if (gnutls_record_send(
				    f->tls, (const uint8_t *)bytes + at,
				    size - at < RECORD_SIZE ? size - at
							    : RECORD_SIZE) < 0)
				give_up("gnutls_record_send");
		flush(f);
	} else if (send(f->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size) {
		give_up("send");
	}
}

/* Whatever there is, at least a byte. */
static size_t
receive_some(struct floor *f)
{
	ssize_t n;

	if (!f->tls) {
		n = recv(f->fd, f->in, BUFFER_SIZE, 0);
	} else {
		size_t total = 0;

		do {
			n = gnutls_record_recv(f->tls, f->in, RECORD_SIZE);
			if (n > 0)
				total += (size_t)n;
		} while (n == GNUTLS_E_AGAIN ||
			 (n > 0 && f->in_begin != f->in_end));
		if (n > 0)
			n = (ssize_t)total;
	}
	if (n <= 0)
		give_up("the server has gone");
	return (size_t)n;
}

static void
receive_exactly(struct floor *f, void *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		ssize_t n = f->tls ? gnutls_record_recv(f->tls,
							(uint8_t *)bytes + at,
							size - at)
				   : recv(f->fd, (uint8_t *)bytes + at,
					  size - at, 0);

		if (n == GNUTLS_E_AGAIN && f->tls)
			continue;
		if (n <= 0)
			give_up("the server has gone");
		at += (size_t)n;
	}
}

static void
connect_to(struct floor *f, const char *address)
{
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct sockaddr_in port = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(address)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	bool is_local = address[0] == '/';
	int enabled = 1;
	int room = 1 << 20;

	f->fd = socket(is_local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC,
		       0);
	strncpy(local.sun_path, address, sizeof(local.sun_path) - 1);
	if (is_local)
		(void)setsockopt(f->fd, SOL_SOCKET, SO_SNDBUF, &room,
				 sizeof(room));
	else
		(void)setsockopt(f->fd, IPPROTO_TCP, TCP_NODELAY, &enabled,
				 sizeof(enabled));
	if (connect(f->fd,
		    is_local ? (struct sockaddr *)&local
			     : (struct sockaddr *)&port,
		    is_local ? sizeof(local) : sizeof(port)) < 0)
		give_up("connect");
}

static void
send_option(struct floor *f, uint32_t option)
{
	uint8_t request[16] = "IHAVEOPT";

	store_be32(request + 8, option);
	send_bytes(f, request, sizeof(request));
}

static void
start_tls(struct floor *f, const char *keys)
{
	static gnutls_psk_client_credentials_t credentials;
	gnutls_datum_t key = { 0 };
	char line[256] = "";
	uint8_t reply[20];
	FILE *file = fopen(keys, "r");

	if (!file || !fgets(line, sizeof(line), file))
		give_up(keys);
	fclose(file);
	line[strcspn(line, "\n")] = '\0';
	key.data = (uint8_t *)strchr(line, ':') + 1;
	key.size = (unsigned)strlen((char *)key.data);
	send_option(f, NBD_OPT_STARTTLS);
	receive_exactly(f, reply, sizeof(reply));
	if (gnutls_psk_allocate_client_credentials(&credentials) < 0 ||
	    gnutls_psk_set_client_credentials(credentials, "bench", &key,
					      GNUTLS_PSK_KEY_HEX) < 0 ||
	    gnutls_init(&f->tls, GNUTLS_CLIENT) < 0 ||
	    gnutls_priority_set_direct(
		    f->tls,
		    "NORMAL:-CIPHER-ALL:+AES-128-GCM:+ECDHE-PSK:+DHE-PSK:+PSK",
		    NULL) < 0 ||
	    gnutls_credentials_set(f->tls, GNUTLS_CRD_PSK, credentials) < 0)
		give_up("TLS");
	gnutls_transport_set_ptr(f->tls, f);
	gnutls_transport_set_push_function(f->tls, push);
	gnutls_transport_set_pull_function(f->tls, pull);
	for (int result = GNUTLS_E_AGAIN; result != 0;) {
		result = gnutls_handshake(f->tls);
		if (result < 0 && gnutls_error_is_fatal(result))
			give_up(gnutls_strerror(result));
	}
	flush(f);
}

static void
negotiate(struct floor *f, const char *keys)
{
	static const uint8_t flags[4] = { 0, 0, 0, 3 };
	uint8_t greeting[18];
	uint8_t export[10];

	receive_exactly(f, greeting, sizeof(greeting));
	send_bytes(f, flags, sizeof(flags));
	if (keys)
		start_tls(f, keys);
	send_option(f, NBD_OPT_EXPORT_NAME); /* "" */
	receive_exactly(f, export, sizeof(export));
}

static void
prepare_header(struct floor *f, uint8_t *header)
{
	f->random = f->random * 6364136223846793005U + 1442695040888963407U;
	store_be32(header, NBD_REQUEST_MAGIC);
	store_be16(header + 4, 0);
	store_be16(header + 6, f->is_write ? NBD_CMD_WRITE : NBD_CMD_READ);
	store_be64(header + 8, f->random);
	store_be64(header + 16,
		   (f->random >> 24) % (DISK_SIZE / f->size) * f->size);
	store_be32(header + 24, (uint32_t)f->size);
}

static void
send_batch(struct floor *f, unsigned n)
{
	size_t n_vectors = 0;
	size_t length = 0;

	for (unsigned i = 0; i < n; i++) {
		prepare_header(f, f->headers[i]);
		f->vectors[n_vectors++] = (struct iovec){ f->headers[i],
							  NBD_REQUEST_SIZE };
		if (f->is_write)
			f->vectors[n_vectors++] = (struct iovec){
				f->payload + i * f->size, f->size
			};
	}
	if (!f->tls) {
		send_all(f, f->vectors, n_vectors);
		return;
	}
	for (size_t i = 0; i < n_vectors; i++) {
		memcpy(f->plaintext + length, f->vectors[i].iov_base,
		       f->vectors[i].iov_len);
		length += f->vectors[i].iov_len;
	}
	send_bytes(f, f->plaintext, length);
}

static void
issue(struct floor *f, unsigned n)
{
	while (n > 0) {
		unsigned of_these = n < f->batch ? n : f->batch;

		send_batch(f, of_these);
		n -= of_these;
	}
}

/* Keeps DEPTH requests in flight. How many were answered. */
static uint64_t
run(struct floor *f, unsigned depth, uint64_t ends_at)
{
	uint64_t n_done = 0;
	size_t bytes = 0;
	unsigned n_in_flight = depth;

	issue(f, depth);
	while (n_in_flight > 0) {
		unsigned n;

		bytes += receive_some(f);
		n = (unsigned)(bytes / f->reply_size);
		bytes -= n * f->reply_size;
		n_done += n;
		if (nanoseconds(CLOCK_MONOTONIC) < ends_at)
			issue(f, n);
		else
			n_in_flight -= n;
	}
	return n_done;
}

static void
prepare(struct floor *f, unsigned depth)
{
	if (f->size == 0 || f->batch == 0 || depth == 0 || depth > MAX_DEPTH)
		give_up("size, batch or depth");
	f->reply_size = NBD_SIMPLE_REPLY_SIZE + (f->is_write ? 0 : f->size);
	f->payload = calloc(depth, f->size);
	f->plaintext = malloc(depth * (f->size + NBD_REQUEST_SIZE));
	f->in = malloc(BUFFER_SIZE);
	f->ciphertext = malloc(BUFFER_SIZE);
	f->out = malloc(BUFFER_SIZE);
	if (!f->payload || !f->plaintext || !f->in || !f->ciphertext || !f->out)
		give_up("out of memory");
}

int
main(int argc, char **argv)
{
	static struct floor f;
	unsigned depth;
	uint64_t begin;
	uint64_t cpu;
	double n;
	double rate;

	if (argc < 6 || argc > 8) {
		fprintf(stderr, "usage: bench-floor SOCKET|PORT read|write "
				"SIZE DEPTH SECONDS [BATCH [KEYS]]\n");
		return EXIT_FAILURE;
	}
	f.is_write = !strcmp(argv[2], "write");
	f.size = strtoul(argv[3], NULL, 10);
	depth = (unsigned)strtoul(argv[4], NULL, 10);
	f.batch = argc > 6 ? (unsigned)strtoul(argv[6], NULL, 10) : MAX_DEPTH;
	prepare(&f, depth);
	connect_to(&f, argv[1]);
	negotiate(&f, argc > 7 ? argv[7] : NULL);
	begin = nanoseconds(CLOCK_MONOTONIC);
	cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
	n = (double)run(&f, depth,
			begin + (uint64_t)(strtod(argv[5], NULL) * 1e9));
	cpu = nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	rate = n / ((double)(nanoseconds(CLOCK_MONOTONIC) - begin) / 1e9);
	printf("%.0f %.1f %.3f\n", rate, rate * (double)f.size / 1e6,
	       (double)cpu / 1e3 / n);
	return EXIT_SUCCESS;
}
