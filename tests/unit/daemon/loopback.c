/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where metrics may be listened for: on this machine alone. */
#include "daemon/config/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "tests/support/unit.h"

static void
loopback_addresses_are_taken(void **state)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *ipv4 = (const void *)&address;
	const struct sockaddr_in6 *ipv6 = (const void *)&address;
	socklen_t size;

	(void)state;
	assert_int_equal(loopback_read("127.0.0.1:9809", &address, &size), 0);
	assert_int_equal(ipv4->sin_family, AF_INET);
	assert_int_equal(ntohs(ipv4->sin_port), 9809);
	assert_int_equal(ntohl(ipv4->sin_addr.s_addr), INADDR_LOOPBACK);
	assert_int_equal(size, sizeof(*ipv4));
	assert_int_equal(loopback_read("127.255.1.2:0", &address, &size), 0);
	assert_int_equal(loopback_read("[::1]:65535", &address, &size), 0);
	assert_int_equal(ipv6->sin6_family, AF_INET6);
	assert_int_equal(ntohs(ipv6->sin6_port), 65535);
	assert_true(IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr));
}

static void
whatever_others_may_reach_is_refused(void **state)
{
	static const char *const texts[] = {
		"0.0.0.0:9809",  "10.0.0.1:9809",     "128.0.0.1:9809",
		"[::]:9809",     "[fe80::1]:9809",    "[::ffff:127.0.0.1]:1",
		"localhost:9",   "127.0.0.1",         "127.0.0.1:",
		"127.0.0.1:x",   "127.0.0.1:65536",   "127.0.0.1:-1",
		"127.0.0.1:1 ",  "127.1:9809",        "::1:9809",
		"[::1]",         "[::1]9809",         "",
		":9809",         "0177.0.0.1:9809",   "127.0.0.1:123456",
		"[::1%lo]:9809", "127.0.0.1.1.1.1:1",
	};
	struct sockaddr_storage address;
	socklen_t size;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (loopback_read(texts[i], &address, &size) != -EINVAL)
			fail_msg("%s is taken", texts[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_addresses_are_taken),
		cmocka_unit_test(whatever_others_may_reach_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
