/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk that is a hash function of gnutls. Requests come in order, as for a
 * pipe, and are done when they are submitted. */
#include "cli/disk_digest.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/disk.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/library.h"
#include "common/cleanup.h"
#include "common/strings.h"

/* The longest digest that gnutls has: 512 bits. */
#define DIGEST_MAX 64

/* clang-format off */
#define DIGEST_FUNCTIONS(X)                                                   \
	X(gnutls_digest_get_id)                                               \
	X(gnutls_digest_get_name)                                             \
	X(gnutls_digest_list)                                                 \
	X(gnutls_hash)                                                        \
	X(gnutls_hash_deinit)                                                 \
	X(gnutls_hash_get_len)                                                \
	X(gnutls_hash_init)                                                   \
	X(gnutls_strerror)
/* clang-format on */

#define DEFINE_STATIC(f) static LIBRARY_DEFINE(f)

DIGEST_FUNCTIONS(DEFINE_STATIC)

struct digest_disk {
	struct disk disk;
	gnutls_hash_hd_t hash;
	size_t length;
	char text[2 * DIGEST_MAX + 1];
};

static struct digest_disk *
of_disk(struct disk *disk)
{
	return container_of(disk, struct digest_disk, disk);
}

static int
fail_gnutls(int r)
{
	return fail(EXIT_GENERAL, EIO, "choose another --algorithm",
		    "gnutls: %s", sym_gnutls_strerror(r));
}

static int
add_bytes(struct digest_disk *digest, const void *bytes, size_t length)
{
	int r = sym_gnutls_hash(digest->hash, bytes, length);

	return r < 0 ? fail_gnutls(r) : EXIT_OK;
}

static int
add_zeroes(struct digest_disk *digest, uint64_t length)
{
	static const char zeroes[65536];
	int status = EXIT_OK;

	while (length > 0 && status == EXIT_OK) {
		size_t n = length < sizeof(zeroes) ? (size_t)length
						   : sizeof(zeroes);

		status = add_bytes(digest, zeroes, n);
		length -= n;
	}
	return status;
}

static int
digest_run(struct digest_disk *digest, struct disk_request *request)
{
	switch (request->command) {
	case DISK_WRITE:
		return add_bytes(digest, request->data.bytes,
				 request->data.length);
	case DISK_ZERO:
		return add_zeroes(digest, request->length);
	case DISK_READ:
	case DISK_FLUSH:
	case DISK_CACHE:
	case DISK_TRIM:
	case DISK_BLOCK_STATUS:
		break;
	}
	return fail(EXIT_NOT_SUPPORTED, ENOTSUP, NULL,
		    "a checksum cannot do that");
}

static void
digest_submit(struct disk *disk, struct disk_request *request)
{
	disk_done_at_once(request, digest_run(of_disk(disk), request));
}

static int
digest_close(struct disk *disk)
{
	struct digest_disk *digest = of_disk(disk);

	if (digest->hash)
		sym_gnutls_hash_deinit(digest->hash, NULL);
	export_free(disk->export);
	free(digest);
	return EXIT_OK;
}

static const struct disk_ops digest_ops = {
	.submit = digest_submit,
	.wait = disk_wait_at_once,
	.close = digest_close,
};

/* Digests, that is, which a disk of any size has: gnutls lists also those that
 * are no use alone. */
static bool
is_usable(gnutls_digest_algorithm_t algorithm)
{
	unsigned length = sym_gnutls_hash_get_len(algorithm);
	gnutls_hash_hd_t hash;

	if (length == 0 || length > DIGEST_MAX ||
	    sym_gnutls_hash_init(&hash, algorithm) < 0)
		return false;
	sym_gnutls_hash_deinit(hash, NULL);
	return true;
}

static int
unknown_algorithm(const char *name)
{
	const gnutls_digest_algorithm_t *all = sym_gnutls_digest_list();
	struct string_builder known = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	string_builder_append(&known, "use one of");
	for (size_t i = 0; all[i]; i++)
		if (is_usable(all[i]))
			string_builder_printf(
				&known, " %s",
				sym_gnutls_digest_get_name(all[i]));
	text = string_builder_take(&known);
	return fail(EXIT_USAGE, EINVAL, text, "there is no algorithm \"%s\"",
		    name);
}

static int
load_gnutls(void)
{
	static const struct library_symbol symbols[] = { DIGEST_FUNCTIONS(
		LIBRARY_SYMBOL) };

	return library_load("libgnutls.so.30", symbols,
			    sizeof(symbols) / sizeof(symbols[0]));
}

static int
start_hash(struct digest_disk *digest, const char *name)
{
	gnutls_digest_algorithm_t algorithm;

	if (load_gnutls() != EXIT_OK)
		return (int)failure_code();
	algorithm = sym_gnutls_digest_get_id(name);
	if (algorithm == GNUTLS_DIG_UNKNOWN || !is_usable(algorithm))
		return unknown_algorithm(name);
	digest->length = sym_gnutls_hash_get_len(algorithm);
	return sym_gnutls_hash_init(&digest->hash, algorithm) < 0
		       ? unknown_algorithm(name)
		       : EXIT_OK;
}

int
disk_open_digest(const struct options *options, const char *algorithm,
		 struct disk **disk)
{
	struct digest_disk *digest = calloc(1, sizeof(*digest));
	int status;

	if (!digest)
		return fail_errno(ENOMEM, "no memory");
	digest->disk = (struct disk){
		.ops = &digest_ops,
		.options = options,
		.name = "the checksum",
		.export = export_new(),
		.size = DISK_SIZE_UNKNOWN,
		.max_payload = 1 << 20,
		.max_in_flight = 1024,
		.alignment = 1,
		.is_sequential = true,
	};
	list_init(&digest->disk.done);
	status = digest->disk.export ? start_hash(digest, algorithm)
				     : fail_errno(ENOMEM, "no memory");
	if (status != EXIT_OK) {
		digest_close(&digest->disk);
		return status;
	}
	assert(digest->disk.export);
	digest->disk.export->can_zero = true;
	*disk = &digest->disk;
	return EXIT_OK;
}

const char *
disk_digest_finish(struct disk *disk)
{
	struct digest_disk *digest = of_disk(disk);
	unsigned char bytes[DIGEST_MAX];

	sym_gnutls_hash_deinit(digest->hash, bytes);
	digest->hash = NULL;
	for (size_t i = 0; i < digest->length; i++)
		snprintf(digest->text + 2 * i, 3, "%02x", bytes[i]);
	return digest->text;
}
