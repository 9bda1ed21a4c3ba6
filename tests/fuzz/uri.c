/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * URIs from anywhere. What nbd_get_uri() says of a handle leads another handle
 * to the same place; what begins with "-" is nobody's option, and nothing
 * reaches a shell. No socket, no name service, no process: the calls that
 * would lead there are replaced when the program is linked.
 */
#include <errno.h>
#include <libnbd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "client-lib/engine/connect.h"
#include "client-lib/engine/handle.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory.h"

/* The names are the linker's. */
int __wrap_getaddrinfo(const char *host, const char *port,
		       const struct addrinfo *hints, struct addrinfo **result);
void __wrap_freeaddrinfo(struct addrinfo *info);
int __wrap_socket(int family, int type, int protocol);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t length);
int __wrap_getsockopt(int fd, int level, int option, void *value,
		      socklen_t *length);
int __wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length);
int __wrap_engine_connect_command(struct nbd_handle *h, char **argv);

static struct sockaddr_in somewhere = { .sin_family = AF_INET };
static struct addrinfo only_address = {
	.ai_family = AF_INET,
	.ai_socktype = SOCK_STREAM,
	.ai_addr = (struct sockaddr *)&somewhere,
	.ai_addrlen = sizeof(somewhere),
};

int
__wrap_getaddrinfo(const char *host, const char *port,
		   const struct addrinfo *hints, struct addrinfo **result)
{
	(void)hints;
	if (strlen(host) == 0 || strlen(port) == 0)
		return EAI_NONAME;
	*result = &only_address;
	return 0;
}

void
__wrap_freeaddrinfo(struct addrinfo *info)
{
	(void)info;
}

int
__wrap_socket(int family, int type, int protocol)
{
	(void)family;
	(void)type;
	(void)protocol;
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* Every attempt goes on for ever. */
int
__wrap_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	(void)fd;
	(void)address;
	(void)length;
	errno = EINPROGRESS;
	return -1;
}

int
__wrap_getsockopt(int fd, int level, int option, void *value, socklen_t *length)
{
	(void)fd;
	(void)level;
	(void)option;
	memset(value, 0, *length);
	return 0;
}

int
__wrap_getpeername(int fd, struct sockaddr *address, socklen_t *length)
{
	(void)fd;
	(void)address;
	(void)length;
	errno = ENOTCONN;
	return -1;
}

/* Of ssh's words only what stands before "--" is an option. The words after the
 * host are for a shell. */
int
__wrap_engine_connect_command(struct nbd_handle *h, char **argv)
{
	static const char literal[] = "\t\r\n\\\"`$';&|<>!(){}[]*?~";
	bool is_over = false;
	char **word;

	(void)h;
	for (word = argv; *word && !is_over; word++)
		is_over = strcmp(*word, "--") == 0;
	if (!is_over || !*word || !**word)
		fuzz_broken("ssh is not told which word is the host");
	for (word++; *word; word++)
		if (strpbrk(*word, literal))
			fuzz_broken("a shell would read '%s'", *word);
	return fail(ENOSYS, "no processes here");
}

static struct nbd_handle *
connect_to(const char *uri, uint8_t permissions)
{
	struct nbd_handle *h = nbd_create();

	if (!h)
		return NULL;
	if (nbd_set_uri_allow_local_file(h, permissions & 1) == -1 ||
	    nbd_set_uri_allow_tls_priority(h, permissions & 2) == -1 ||
	    nbd_set_uri_allow_transports(h, LIBNBD_ALLOW_TRANSPORT_MASK) ==
		    -1 ||
	    nbd_aio_connect_uri(h, uri) == -1) {
		nbd_close(h);
		return NULL;
	}
	return h;
}

static void
expect_same(const char *what, const char *a, const char *b)
{
	if (strcmp(a, b) != 0)
		fuzz_broken("%s: '%s' leads to '%s'", what, a, b);
}

static void
expect_same_settings(const struct config *a, const struct config *b)
{
	expect_same("export", config_string(a->export_name),
		    config_string(b->export_name));
	expect_same("user", config_string(a->tls_username),
		    config_string(b->tls_username));
	expect_same("host name", config_string(a->tls_hostname),
		    config_string(b->tls_hostname));
	expect_same("certificates", config_string(a->tls_certificates),
		    config_string(b->tls_certificates));
	expect_same("keys", config_string(a->tls_psk_file),
		    config_string(b->tls_psk_file));
	if (a->tls != b->tls || a->tls_verify_peer != b->tls_verify_peer)
		fuzz_broken("other settings of TLS");
}

/* There and back again. */
static void
round_trip(struct nbd_handle *h)
{
	char *uri = nbd_get_uri(h);
	struct nbd_handle *other;
	char *again;

	if (!uri) /* an abstract socket has none */
		return;
	other = connect_to(uri, 3);
	if (!other)
		fuzz_broken("'%s' leads nowhere: %s", uri, nbd_get_error());
	expect_same_settings(&h->config, &other->config);
	again = nbd_get_uri(other);
	if (!again)
		fuzz_broken("'%s' is lost: %s", uri, nbd_get_error());
	expect_same("URI", uri, again);
	nbd_close(other);
	free(uri);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = input_over(data, size);
	uint8_t permissions = input_byte(&input);
	unsigned failing = input_byte(&input);
	char *uri = fuzz_allocate(input.left + 1);
	struct nbd_handle *h;

	if (input.left > 0)
		memcpy(uri, input.at, input.left);
	uri[input.left] = '\0';
	memory_begin(failing);
	h = connect_to(uri, permissions);
	memory_end();
	if (h)
		round_trip(h);
	nbd_close(h);
	free(uri);
	return 0;
}
