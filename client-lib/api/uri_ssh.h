/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connecting through ssh(1): the words of its command line, made from a URI
 * that may come from somebody who wishes us ill.
 */
#pragma once

#include "client-lib/api/uri_parse.h"

struct nbd_handle;

/* Runs ssh as a subprocess that reaches the server of URI, whose transport is
 * URI_SSH. The state is START; 0 or -1 with the error recorded. */
int begin_connect_ssh(struct nbd_handle *h, const struct uri *uri);
