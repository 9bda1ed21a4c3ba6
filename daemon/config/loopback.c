/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Loopback addresses: numbers only, so that no name server decides who may
 * reach us. */
#include "daemon/config/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/strings.h"
#include "daemon/config/values.h"

/* The digits behind the last colon, and how long what stands before is. */
static int
read_port(const char *text, size_t *host_length, in_port_t *port)
{
	const char *colon = strrchr(text, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	unsigned long number;

	if (digits < 1 || digits > 5 || colon[1 + digits])
		return -EINVAL;
	number = strtoul(colon + 1, NULL, 10);
	if (number > UINT16_MAX)
		return -EINVAL;
	*host_length = (size_t)(colon - text);
	*port = htons((in_port_t)number);
	return 0;
}

static int
read_ipv4(const char *host, in_port_t port, struct sockaddr_storage *address,
	  socklen_t *size)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)(void *)address;

	if (inet_pton(AF_INET, host, &ipv4->sin_addr) != 1 ||
	    ntohl(ipv4->sin_addr.s_addr) >> 24 != 127)
		return -EINVAL;
	ipv4->sin_family = AF_INET;
	ipv4->sin_port = port;
	*size = sizeof(*ipv4);
	return 0;
}

/* HOST still has its brackets. */
static int
read_ipv6(const char *host, in_port_t port, struct sockaddr_storage *address,
	  socklen_t *size)
{
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)(void *)address;

	if (strcmp(host, "[::1]") != 0)
		return -EINVAL;
	ipv6->sin6_family = AF_INET6;
	ipv6->sin6_addr = in6addr_loopback;
	ipv6->sin6_port = port;
	*size = sizeof(*ipv6);
	return 0;
}

int
loopback_read(const char *text, struct sockaddr_storage *address,
	      socklen_t *size)
{
	char host[sizeof("127.255.255.255")];
	in_port_t port;
	size_t length;

	memset(address, 0, sizeof(*address));
	if (read_port(text, &length, &port) < 0 || length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	return host[0] == '[' ? read_ipv6(host, port, address, size)
			      : read_ipv4(host, port, address, size);
}

int
value_parse_loopback(const struct value *value, void *member)
{
	struct sockaddr_storage address;
	socklen_t size;

	if (value->text[0] && loopback_read(value->text, &address, &size) < 0) {
		string_builder_append(value->complaint,
				      "not an address that only this machine "
				      "can reach, with a port: 127.0.0.1:PORT "
				      "or [::1]:PORT");
		return -EINVAL;
	}
	return string_replace(member, value->text[0] ? value->text : NULL) < 0
		       ? -ENOMEM
		       : 0;
}
