/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses that only this machine can reach. */
#pragma once

#include <sys/socket.h>

/* Reads 127.0.0.1:9000, any other 127.x.y.z:PORT, or [::1]:PORT. 0 with
 * *ADDRESS and *SIZE; -EINVAL: it is none of these. Names are not looked up. */
int loopback_read(const char *text, struct sockaddr_storage *address,
		  socklen_t *size);
