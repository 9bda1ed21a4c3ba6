/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Credentials that the program has in memory instead of in files, and the
 * passphrase of a key. What is secret is wiped before its memory is freed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct tls_blob {
	unsigned char *bytes; /* NULL: not given */
	size_t size;
};

struct tls_memory {
	struct tls_blob authorities; /* these five in PEM */
	struct tls_blob revocations;
	struct tls_blob certificate;
	struct tls_blob key;
	struct tls_blob passphrase; /* of keys, a C string */
	struct tls_blob psk;        /* bare bytes */
};

/* Replaces what BLOB holds by a copy; NULL bytes are nothing. A NUL follows
 * the copy. 0, or -1 with errno ENOMEM and BLOB as it was. */
int tls_blob_set(struct tls_blob *blob, const void *bytes, size_t size);

/* The same for a certificate and its key, of which there is never one without
 * the other or with another's. */
int tls_memory_set_client(struct tls_memory *memory, const void *certificate,
			  size_t certificate_size, const void *key,
			  size_t key_size);

/* Is there anything that stands for a directory of certificates? */
bool tls_memory_has_certificates(const struct tls_memory *memory);

void tls_memory_done(struct tls_memory *memory);
