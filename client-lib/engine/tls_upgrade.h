/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who the two ends of a TLS connection are, as far as the settings and the
 * way of connecting say. The states TLS_START and TLS_HANDSHAKE live in the
 * same file.
 */
#pragma once

#include <stddef.h>

struct nbd_handle;

/* The name the server's certificate must be for: the one that was set, else
 * the host connected to by name, else "". */
const char *tls_hostname(const struct nbd_handle *h);

/* The name we have for the server: the one that was set, else LOGNAME, else
 * who is logged in, which is put into BUFFER. NULL with the error recorded. */
const char *tls_username(const struct nbd_handle *h, char *buffer, size_t size);

enum {
	TLS_USERNAME_SIZE = 256,
};
