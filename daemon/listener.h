/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket for local programs: passed by systemd, or our own. Accepts
 * connections, asks the kernel who is there, and hands both on. Main thread.
 */
#pragma once

#include <systemd/sd-event.h>

#include "daemon/core/client.h"

struct listener;

/* Takes FD, connected and non-blocking. */
typedef void listener_callback(void *user, int fd,
			       const struct client_identity *identity);

/*
 * The socket that systemd passed, else one at PATH. 0 or a negative errno, and
 * then *WHY, which the caller frees, says what was the matter.
 */
int listener_new(struct listener **listener, sd_event *event, const char *path,
		 listener_callback *on_accept, void *user, char **why);

/* No more clients. Our own socket is removed, unless systemd keeps it for our
 * next start; one of systemd stays. NULL is allowed. */
void listener_free(struct listener *listener);
