/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings that libnbd itself does not have: where names may lead, and what a
 * server finds in its environment.
 */
#include <errno.h>
#include <libnbd-ext.h>
#include <string.h>
#include <sys/socket.h>

#include "client-lib/api/guard.h"

static const int families[] = {
	[LIBNBD_EXT_ADDRESS_ANY] = AF_UNSPEC,
	[LIBNBD_EXT_ADDRESS_IPV4] = AF_INET,
	[LIBNBD_EXT_ADDRESS_IPV6] = AF_INET6,
};

enum {
	N_FAMILIES = sizeof(families) / sizeof(families[0]),
};

int
nbd_ext_set_address_family(struct nbd_handle *h, int family)
{
	API_CALL(call, h, "family=%d", family);

	if (!api_permit(&call, CREATED))
		return -1;
	if (!api_enum_is_valid(family, N_FAMILIES, "family"))
		return -1;
	h->config.address_family = families[family];
	return api_return(&call, 0);
}

int
nbd_ext_get_address_family(struct nbd_handle *h)
{
	API_CALL(call, h);
	int family = 0;

	while (family < N_FAMILIES - 1 &&
	       families[family] != h->config.address_family)
		family++;
	return api_return(&call, family);
}

/* Has every entry a name? If not, EINVAL is recorded. */
static bool
environment_is_valid(char **environment)
{
	for (; *environment; environment++) {
		const char *equals = strchr(*environment, '=');

		if (equals && equals != *environment)
			continue;
		fail(EINVAL, "environment: \"%s\" is not NAME=value",
		     *environment);
		return false;
	}
	return true;
}

int
nbd_ext_set_subprocess_environment(struct nbd_handle *h, char **environment)
{
	/* Not traced: passwords are given to programs this way. */
	API_CALL(call, h, "environment=%s", environment ? "<list>" : "NULL");
	CLEANUP(string_list_done) struct string_list copy = { 0 };
	CLEANUP_FREE char **vector = NULL;
	struct config *config = &h->config;

	if (!api_permit(&call, CREATED))
		return -1;
	if (environment && !environment_is_valid(environment))
		return -1;
	if (environment && (string_list_copy(&copy, environment) < 0 ||
			    !(vector = string_list_vector(&copy))))
		return fail(errno, "copying the environment");
	string_list_done(&config->environment);
	free(config->environment_vector);
	config->environment = copy;
	copy = (struct string_list){ 0 };
	config->environment_vector = TAKE_PTR(vector);
	return api_return(&call, 0);
}
