/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be set on a handle and asked of it, by the names of transcripts. */
#include "tests/protocol/settings.h"

#include <stdlib.h>
#include <string.h>

static struct outcome
failed(struct run *run)
{
	return (struct outcome){ .kind = OUTCOME_FAILED,
				 .errnum = run_note_error(run) };
}

static struct outcome
value_or_failed(struct run *run, int64_t value)
{
	if (value < 0)
		return failed(run);
	return (struct outcome){ .kind = OUTCOME_OK,
				 .has_value = true,
				 .value = value };
}

static bool
read_bool(const struct line *line, size_t word)
{
	const char *text = script_word(line, word);

	if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
		script_mistake(line, "neither on nor off");
	return !strcmp(text, "on");
}

struct outcome
settings_set(struct run *run, const struct line *line)
{
	static const struct {
		const char *name;
		int (*set)(struct nbd_handle *h, bool value);
	} switches[] = {
		{ "opt-mode", nbd_set_opt_mode },
		{ "structured-replies", nbd_set_request_structured_replies },
		{ "block-size", nbd_set_request_block_size },
		{ "full-info", nbd_set_full_info },
		{ "pread-initialize", nbd_set_pread_initialize },
		{ "request-meta", nbd_set_request_meta_context },
		{ "extended-headers", nbd_set_request_extended_headers },
	};
	const char *name = script_word(line, 1);

	for (size_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (!strcmp(switches[i].name, name))
			return value_or_failed(
				run,
				switches[i].set(run->h, read_bool(line, 2)));
	if (!strcmp(name, "export"))
		return value_or_failed(
			run, nbd_set_export_name(run->h, script_word(line, 2)));
	if (!strcmp(name, "meta-context"))
		return value_or_failed(
			run,
			nbd_add_meta_context(run->h, script_word(line, 2)));
	if (!strcmp(name, "handshake-flags"))
		return value_or_failed(
			run, nbd_set_handshake_flags(
				     run->h, (uint32_t)script_number(line, 2)));
	if (!strcmp(name, "strict"))
		return value_or_failed(
			run, nbd_set_strict_mode(
				     run->h, (uint32_t)script_number(line, 2)));
	if (!strcmp(name, "tls"))
		return value_or_failed(
			run, nbd_set_tls(run->h, (int)script_number(line, 2)));
	script_mistake(line, "%s cannot be set", name);
}

static struct outcome
text_or_failed(struct run *run, char *owned)
{
	if (!owned)
		return failed(run);
	return (struct outcome){ .kind = OUTCOME_OK, .text = owned };
}

static int64_t
get_block_size_of(struct nbd_handle *h, const char *which)
{
	if (!strcmp(which, "minimum"))
		return nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
	if (!strcmp(which, "preferred"))
		return nbd_get_block_size(h, LIBNBD_SIZE_PREFERRED);
	return nbd_get_block_size(h, LIBNBD_SIZE_MAXIMUM);
}

struct outcome
settings_get(struct run *run, const struct line *line)
{
	static const struct {
		const char *name;
		int (*get)(struct nbd_handle *h);
	} getters[] = {
		{ "read-only", nbd_is_read_only },
		{ "rotational", nbd_is_rotational },
		{ "can-flush", nbd_can_flush },
		{ "can-fua", nbd_can_fua },
		{ "can-trim", nbd_can_trim },
		{ "can-zero", nbd_can_zero },
		{ "can-fast-zero", nbd_can_fast_zero },
		{ "can-df", nbd_can_df },
		{ "can-cache", nbd_can_cache },
		{ "can-multi-conn", nbd_can_multi_conn },
		{ "structured-replies", nbd_get_structured_replies_negotiated },
		{ "extended-headers", nbd_get_extended_headers_negotiated },
		{ "can-block-status-payload", nbd_can_block_status_payload },
		{ "tls", nbd_get_tls_negotiated },
		{ "in-flight", nbd_aio_in_flight },
	};
	const char *name = script_word(line, 1);
	struct nbd_handle *h = run->h;
	const char *text;

	for (size_t i = 0; i < sizeof(getters) / sizeof(getters[0]); i++)
		if (!strcmp(getters[i].name, name))
			return value_or_failed(run, getters[i].get(h));
	if (!strcmp(name, "size"))
		return value_or_failed(run, nbd_get_size(h));
	if (!strcmp(name, "context"))
		return value_or_failed(
			run, nbd_can_meta_context(h, script_word(line, 2)));
	if (!strcmp(name, "block-size"))
		return value_or_failed(
			run, get_block_size_of(h, script_word(line, 2)));
	if (!strcmp(name, "handshake-flags"))
		return value_or_failed(run, nbd_get_handshake_flags(h));
	if (!strcmp(name, "canonical-name"))
		return text_or_failed(run, nbd_get_canonical_export_name(h));
	if (!strcmp(name, "description"))
		return text_or_failed(run, nbd_get_export_description(h));
	if (!strcmp(name, "protocol")) {
		text = nbd_get_protocol(h);
		return text_or_failed(run, text ? strdup(text) : NULL);
	}
	script_mistake(line, "%s cannot be asked for", name);
}
