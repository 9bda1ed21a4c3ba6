/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The priority string. Its default puts AES-128-GCM first, because with a
 * pre-shared key in TLS 1.3 the ciphers that hash with SHA-384 are out, and
 * GnuTLS then prefers ChaCha20 though AES in hardware is several times faster.
 * The list of ciphers is GnuTLS's own, so only the order changes.
 */
#include "client-lib/stream/tls_priority.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

#include "common/strings.h"

static const char psk_key_exchanges[] = ":+ECDHE-PSK:+DHE-PSK:+PSK";

static bool
processor_has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	unsigned eax, ebx, ecx, edx;

	/* __builtin_cpu_supports() would ask whenever a program starts, and
	 * for more than this. In a virtual machine each answer takes µs. */
	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_AES) &&
	       (ecx & bit_PCLMUL);
#elif defined(__aarch64__)
	const unsigned long aes = 1UL << 3;
	const unsigned long pmull = 1UL << 4;

	return (getauxval(AT_HWCAP) & (aes | pmull)) == (aes | pmull);
#else
	return false;
#endif
}

static void
cleanup_priority(gnutls_priority_t *priority)
{
	if (*priority)
		gnutls_priority_deinit(*priority);
}

static bool
contains(const unsigned *ciphers, int n_ciphers, unsigned cipher)
{
	for (int i = 0; i < n_ciphers; i++)
		if (ciphers[i] == cipher)
			return true;
	return false;
}

/* The ciphers of NORMAL, AES-128-GCM first. If the system's policy does not
 * have it there is nothing to prefer. */
static void
append_ciphers(struct string_builder *builder)
{
	__attribute__((cleanup(cleanup_priority)))
	gnutls_priority_t normal = NULL;
	const unsigned *ciphers;
	int n_ciphers;

	if (gnutls_priority_init(&normal, "NORMAL", NULL) < 0)
		return;
	n_ciphers = gnutls_priority_cipher_list(normal, &ciphers);
	if (!contains(ciphers, n_ciphers, GNUTLS_CIPHER_AES_128_GCM))
		return;
	string_builder_append(builder, ":-CIPHER-ALL:+AES-128-GCM");
	for (int i = 0; i < n_ciphers; i++)
		if (ciphers[i] != GNUTLS_CIPHER_AES_128_GCM)
			string_builder_printf(
				builder, ":+%s",
				gnutls_cipher_get_name(
					(gnutls_cipher_algorithm_t)ciphers[i]));
}

char *
tls_priority_string(const char *priority, bool is_psk)
{
	struct string_builder builder = STRING_BUILDER_INIT;

	if (!priority)
		priority = TLS_DEFAULT_PRIORITY;
	string_builder_append(&builder, priority);
	if (strcmp(priority, TLS_DEFAULT_PRIORITY) == 0) {
		string_builder_append(&builder, ":-VERS-TLS1.1:-VERS-TLS1.0");
		if (processor_has_aes())
			append_ciphers(&builder);
	}
	if (is_psk)
		string_builder_append(&builder, psk_key_exchanges);
	return string_builder_take(&builder);
}
