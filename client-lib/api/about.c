/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What this library is and what it was built with. These need no lock.
 */
#include <libnbd.h>

#include "client-lib/api/guard.h"

const char *
nbd_get_package_name(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return "libnbd";
}

const char *
nbd_get_version(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return LIBNBD_API_VERSION;
}

const char *
nbd_get_version_extra(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return LIBNBD_VERSION_EXTRA;
}

int
nbd_supports_tls(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return 1;
}

int
nbd_supports_uri(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return 1;
}

int
nbd_supports_vsock(struct nbd_handle *h)
{
	API_CALL_UNLOCKED(h);

	return 1;
}
