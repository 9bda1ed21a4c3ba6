/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The server that a connect call started.
 */
#include <errno.h>
#include <libnbd.h>
#include <signal.h>
#include <sys/types.h>

#include "client-lib/api/guard.h"

int
nbd_kill_subprocess(struct nbd_handle *h, int signum)
{
	API_CALL(call, h, "signum=%d", signum);

	if (signum < 0)
		return fail(EINVAL, "signum: %d: not a signal", signum);
	if (h->connect.child <= 0)
		return fail(ESRCH, "no subprocess exists");
	if (kill(h->connect.child, signum ? signum : SIGTERM) < 0)
		return fail(errno, "kill: process %ld", (long)h->connect.child);
	return api_return(&call, 0);
}

int64_t
nbd_get_subprocess_pid(struct nbd_handle *h)
{
	API_CALL(call, h);

	if (h->connect.child <= 0)
		return fail(ESRCH, "no subprocess exists");
	return api_return(&call, (int64_t)h->connect.child);
}
