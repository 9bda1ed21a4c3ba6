/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Copies of credentials, and their end. */
#include "client-lib/stream/tls_memory.h"

#include <stdlib.h>
#include <string.h>

static void
blob_done(struct tls_blob *blob)
{
	if (blob->bytes)
		explicit_bzero(blob->bytes, blob->size);
	free(blob->bytes);
	*blob = (struct tls_blob){ .bytes = NULL };
}

int
tls_blob_set(struct tls_blob *blob, const void *bytes, size_t size)
{
	unsigned char *copy = NULL;

	if (bytes) {
		copy = malloc(size + 1);
		if (!copy)
			return -1;
		memcpy(copy, bytes, size);
		copy[size] = '\0';
	}
	blob_done(blob);
	*blob = (struct tls_blob){ .bytes = copy, .size = copy ? size : 0 };
	return 0;
}

int
tls_memory_set_client(struct tls_memory *memory, const void *certificate,
		      size_t certificate_size, const void *key, size_t key_size)
{
	struct tls_blob copy = { .bytes = NULL };

	if (tls_blob_set(&copy, certificate, certificate_size) < 0)
		return -1;
	if (tls_blob_set(&memory->key, key, key_size) < 0) {
		blob_done(&copy);
		return -1;
	}
	blob_done(&memory->certificate);
	memory->certificate = copy;
	return 0;
}

bool
tls_memory_has_certificates(const struct tls_memory *memory)
{
	return memory->authorities.bytes || memory->revocations.bytes ||
	       memory->certificate.bytes;
}

void
tls_memory_done(struct tls_memory *memory)
{
	blob_done(&memory->authorities);
	blob_done(&memory->revocations);
	blob_done(&memory->certificate);
	blob_done(&memory->key);
	blob_done(&memory->passphrase);
	blob_done(&memory->psk);
}
