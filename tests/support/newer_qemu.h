/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A qemu-nbd with extended headers, which Debian 12's own has not. */
#pragma once

#include "tests/support/server.h"

/*
 * Starts it with ARGUMENTS, which end in NULL. SCRIPT is the path of
 * tests/support/newer-qemu-nbd, which finds or makes it. Skips the test with
 * the script's reason if there is none.
 */
void newer_qemu_start(struct server *server, enum server_transport transport,
		      const char *script, const char *const arguments[]);
