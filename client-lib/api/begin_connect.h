/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connect calls that need an address made first; for connect.c and uri.c.
 * The state is START; 0 or -1 with the error recorded.
 */
#pragma once

#include <stdint.h>

#include "client-lib/engine/connect.h"

int begin_connect_unix(struct nbd_handle *h, const char *path);
int begin_connect_vsock(struct nbd_handle *h, uint32_t cid, uint32_t port);
