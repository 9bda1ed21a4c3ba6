/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which protocol versions, ciphers and key exchanges TLS may use. */
#pragma once

#include <stdbool.h>

/* The default of the public API. Alone it stands for what GnuTLS accepts as
 * NORMAL, without TLS before 1.2, and with AES-128-GCM preferred where the
 * processor is fast at it. */
#define TLS_DEFAULT_PRIORITY "NORMAL"

/* The GnuTLS priority string for PRIORITY (NULL: the default); IS_PSK adds
 * the key exchanges of pre-shared keys. The caller frees it; NULL with errno
 * ENOMEM. */
char *tls_priority_string(const char *priority, bool is_psk);
