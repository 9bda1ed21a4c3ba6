/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A server that costs as little as possible, so that the client is what a
 * benchmark measures: it takes many requests per read, answers them with one
 * sendmsg() out of one static buffer, and throws written data away. Each
 * connection has a thread.
 *
 *   bench-server [--structured]     listens on descriptor 3
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/byteorder.h"

enum {
	LISTENER = 3,
	EXPORT_SIZE = 1 << 30,
	MAX_PAYLOAD = 1 << 20, /* of a read; what a benchmark asks for */
	IN_SIZE = 1 << 20,
	MAX_REPLIES = 256,
	REQUEST_SIZE = 28,
	SIMPLE_SIZE = 16,
	CHUNK_SIZE = 20 + 8,
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
	NBD_REP_ACK = 1,
	NBD_REP_INFO = 3,
	EXPORT_FLAGS = 0x16d, /* all but DF: no read is ever split */
};
#define NBD_REP_ERR_UNSUP 0x80000001U

static uint8_t payload[MAX_PAYLOAD];
static bool offers_structured;

struct client {
	int fd;
	bool is_structured;
	uint8_t *in;
	size_t begin;
	size_t end;
	uint64_t to_skip; /* rest of a payload that is being written */
	uint8_t headers[MAX_REPLIES][CHUNK_SIZE];
	struct iovec vectors[2 * MAX_REPLIES];
	int n_vectors;
	int n_replies;
};

static bool
send_bytes(int fd, const void *bytes, size_t length)
{
	return send(fd, bytes, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Makes at least COUNT bytes readable at begin. */
static bool
need(struct client *client, size_t count)
{
	while (client->end - client->begin < count) {
		ssize_t n;

		memmove(client->in, client->in + client->begin,
			client->end - client->begin);
		client->end -= client->begin;
		client->begin = 0;
		n = recv(client->fd, client->in + client->end,
			 IN_SIZE - client->end, 0);
		if (n <= 0)
			return false;
		client->end += (size_t)n;
	}
	return true;
}

static bool
send_option_reply(const struct client *client, uint32_t option, uint32_t type,
		  const void *data, size_t length)
{
	uint8_t reply[64];

	store_be64(reply, 0x0003e889045565a9U);
	store_be32(reply + 8, option);
	store_be32(reply + 12, type);
	store_be32(reply + 16, (uint32_t)length);
	if (length > 0)
		memcpy(reply + 20, data, length);
	return send_bytes(client->fd, reply, 20 + length);
}

static bool
describe_export(const struct client *client, uint32_t option)
{
	uint8_t info[12] = { 0 };

	store_be64(info + 2, EXPORT_SIZE);
	store_be16(info + 10, EXPORT_FLAGS);
	return send_option_reply(client, option, NBD_REP_INFO, info,
				 sizeof(info)) &&
	       send_option_reply(client, option, NBD_REP_ACK, NULL, 0);
}

/* Answers one option. False ends the negotiation; *GO says how. */
static bool
answer_option(struct client *client, uint32_t option, bool *go)
{
	uint8_t export[10];

	switch (option) {
	case NBD_OPT_GO:
		*go = describe_export(client, option);
		return false;
	case NBD_OPT_INFO:
		return describe_export(client, option);
	case NBD_OPT_EXPORT_NAME:
		store_be64(export, EXPORT_SIZE);
		store_be16(export + 8, EXPORT_FLAGS);
		*go = send_bytes(client->fd, export, sizeof(export));
		return false;
	case NBD_OPT_ABORT:
		return false;
	case NBD_OPT_STRUCTURED_REPLY:
		if (!offers_structured)
			break;
		client->is_structured = true;
		return send_option_reply(client, option, NBD_REP_ACK, NULL, 0);
	}
	return send_option_reply(client, option, NBD_REP_ERR_UNSUP, NULL, 0);
}

static bool
negotiate(struct client *client)
{
	uint8_t greeting[18];
	bool go = false;
	uint32_t option;
	uint32_t length;

	memcpy(greeting, "NBDMAGICIHAVEOPT", 16);
	store_be16(greeting + 16, 3);
	if (!send_bytes(client->fd, greeting, sizeof(greeting)) ||
	    !need(client, 4))
		return false;
	client->begin += 4;
	do {
		if (!need(client, 16))
			return false;
		option = load_be32(client->in + client->begin + 8);
		length = load_be32(client->in + client->begin + 12);
		if (length > 8192 || !need(client, 16 + (size_t)length))
			return false;
		client->begin += 16 + length;
	} while (answer_option(client, option, &go));
	return go;
}

static bool
flush_replies(struct client *client)
{
	struct iovec *vector = client->vectors;
	int left = client->n_vectors;

	while (left > 0) {
		struct msghdr message = { .msg_iov = vector,
					  .msg_iovlen = (size_t)left };
		ssize_t n = sendmsg(client->fd, &message, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		for (; left > 0 && (size_t)n >= vector->iov_len; left--)
			n -= (ssize_t)(vector++)->iov_len;
		if (left > 0) {
			vector->iov_base = (uint8_t *)vector->iov_base + n;
			vector->iov_len -= (size_t)n;
		}
	}
	client->n_vectors = 0;
	client->n_replies = 0;
	return true;
}

static void
add_vector(struct client *client, void *bytes, size_t length)
{
	client->vectors[client->n_vectors++] = (struct iovec){ bytes, length };
}

/* A success, with LENGTH bytes of the static buffer if it is a read. */
static void
add_reply(struct client *client, const uint8_t *request, bool is_read)
{
	uint8_t *header = client->headers[client->n_replies++];
	uint32_t length = load_be32(request + 24);

	if (is_read && client->is_structured) {
		store_be32(header, 0x668e33efU);
		store_be16(header + 4, 1);
		store_be16(header + 6, 1);
		memcpy(header + 8, request + 8, 8);
		store_be32(header + 16, length + 8);
		memcpy(header + 20, request + 16, 8);
		add_vector(client, header, CHUNK_SIZE);
	} else {
		store_be32(header, 0x67446698U);
		store_be32(header + 4, 0);
		memcpy(header + 8, request + 8, 8);
		add_vector(client, header, SIMPLE_SIZE);
	}
	if (is_read)
		add_vector(client, payload, length);
}

/* Throws away what there is of a write's payload. */
static bool
skip_payload(struct client *client)
{
	while (client->to_skip > 0) {
		size_t n = client->end - client->begin;

		if (n == 0) {
			if (client->n_replies > 0 && !flush_replies(client))
				return false;
			if (!need(client, 1))
				return false;
			continue;
		}
		if (n > client->to_skip)
			n = (size_t)client->to_skip;
		client->begin += n;
		client->to_skip -= n;
	}
	return true;
}

/* A write is answered when all of it has come: some clients cannot place an
 * answer to what they are still sending. */
static bool
take_request(struct client *client)
{
	uint8_t request[REQUEST_SIZE];
	uint16_t type;
	uint32_t length;

	memcpy(request, client->in + client->begin, REQUEST_SIZE);
	type = load_be16(request + 6);
	length = load_be32(request + 24);
	if (load_be32(request) != 0x25609513U || type == NBD_CMD_DISC ||
	    (type == NBD_CMD_READ && length > MAX_PAYLOAD))
		return false;
	client->begin += REQUEST_SIZE;
	if (type == NBD_CMD_WRITE) {
		client->to_skip = length;
		if (!skip_payload(client))
			return false;
	}
	add_reply(client, request, type == NBD_CMD_READ);
	return true;
}

static void
transmit(struct client *client)
{
	for (;;) {
		if (!need(client, REQUEST_SIZE))
			return;
		while (client->end - client->begin >= REQUEST_SIZE &&
		       client->n_replies < MAX_REPLIES)
			if (!take_request(client))
				return;
		if (!flush_replies(client))
			return;
	}
}

static void *
serve(void *data)
{
	int fd = (int)(intptr_t)data;
	struct client *client = calloc(1, sizeof(*client));

	if (!client)
		abort();
	client->fd = fd;
	client->in = malloc(IN_SIZE);
	if (client->in && negotiate(client))
		transmit(client);
	free(client->in);
	free(client);
	close(fd);
	return NULL;
}

int
main(int argc, char **argv)
{
	int fd;

	/* BBR would pace what is sent, by a timer: then the timer is measured.
	 * It is no TCP socket if this fails; connections inherit it. */
	(void)setsockopt(LISTENER, IPPROTO_TCP, TCP_CONGESTION, "reno",
			 strlen("reno"));
	offers_structured = argc > 1 && !strcmp(argv[1], "--structured");
	while ((fd = accept(LISTENER, NULL, NULL)) >= 0) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd))
			break;
		pthread_detach(thread);
	}
	fprintf(stderr, "bench-server: cannot accept on descriptor %d: %s\n",
		LISTENER, strerror(errno));
	return EXIT_FAILURE;
}
