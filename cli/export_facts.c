/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of an export: kept, printed, asked for. */
#include "cli/export_facts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/errors.h"
#include "cli/output.h"
#include "common/cleanup.h"
#include "common/strings.h"

Nbdclientd__V1__Export *
export_new(void)
{
	Nbdclientd__V1__Export *export = malloc(sizeof(*export));

	if (export)
		nbdclientd__v1__export__init(export);
	return export;
}

/* By the detour over the wire's form: it knows every field. */
Nbdclientd__V1__Export *
export_copy(const Nbdclientd__V1__Export *export)
{
	size_t size = nbdclientd__v1__export__get_packed_size(export);
	CLEANUP_FREE uint8_t *bytes = malloc(size + 1);

	if (!bytes)
		return NULL;
	nbdclientd__v1__export__pack(export, bytes);
	return nbdclientd__v1__export__unpack(NULL, size, bytes);
}

void
export_free(Nbdclientd__V1__Export *export)
{
	if (export)
		nbdclientd__v1__export__free_unpacked(export, NULL);
}

bool
export_set_contexts(Nbdclientd__V1__Export *export, char *const *items)
{
	size_t n = 0;

	for (size_t i = 0; i < export->n_contexts; i++)
		free(export->contexts[i]);
	free(export->contexts);
	export->n_contexts = 0;
	while (items[n])
		n++;
	export->contexts = calloc(n + 1, sizeof(*export->contexts));
	if (!export->contexts)
		return false;
	for (; export->n_contexts < n; export->n_contexts++) {
		char *copy = strdup(items[export->n_contexts]);

		if (!copy)
			return false;
		export->contexts[export->n_contexts] = copy;
	}
	return true;
}

/* clang-format off */
#define EXPORT_FLAGS(X)                        \
	X("READ_ONLY",      read_only)         \
	X("ROTATIONAL",     rotational)        \
	X("CAN_FLUSH",      can_flush)         \
	X("CAN_FUA",        can_fua)           \
	X("CAN_TRIM",       can_trim)          \
	X("CAN_ZERO",       can_zero)          \
	X("CAN_FAST_ZERO",  can_fast_zero)     \
	X("CAN_CACHE",      can_cache)         \
	X("CAN_DF",         can_df)            \
	X("CAN_MULTI_CONN", can_multi_conn)
/* clang-format on */

static const struct output_column export_columns[] = {
	{ "NAME", OUTPUT_TEXT },
	{ "SIZE", OUTPUT_BYTES },
#define X(name, field) { name, OUTPUT_BOOL },
	EXPORT_FLAGS(X)
#undef X
		{ "MIN_BLOCK", OUTPUT_BYTES },
	{ "PREFERRED_BLOCK", OUTPUT_BYTES },
	{ "MAX_BLOCK", OUTPUT_BYTES },
	{ "CONTEXTS", OUTPUT_LIST },
	{ "DESCRIPTION", OUTPUT_TEXT },
	{ "CANONICAL_NAME", OUTPUT_TEXT },
	{ "DETAIL", OUTPUT_TEXT },
	{ "HANDSHAKE", OUTPUT_TEXT },
	{ "TLS", OUTPUT_BOOL },
	{ "STRUCTURED_REPLIES", OUTPUT_BOOL },
	{ "EXTENDED_HEADERS", OUTPUT_BOOL },
};

#define N_EXPORT_COLUMNS   (sizeof(export_columns) / sizeof(export_columns[0]))
#define N_PROTOCOL_COLUMNS 4

static void
add_text(struct output *output, const char *text)
{
	output_text(output, *text ? text : NULL);
}

static void
add_block_size(struct output *output, uint32_t size)
{
	if (size)
		output_number(output, size);
	else
		output_nothing(output);
}

/* An export that the server would not describe has a name only. */
static void
add_properties(struct output *output, const Nbdclientd__V1__Export *export)
{
	static const Nbdclientd__V1__BlockSizes none =
		NBDCLIENTD__V1__BLOCK_SIZES__INIT;
	const Nbdclientd__V1__BlockSizes *sizes = export->block_sizes
							  ? export->block_sizes
							  : &none;

	if (export->incomplete)
		output_nothing(output);
	else
		output_number(output, export->size);
#define X(name, field)                  \
	if (export->incomplete)         \
		output_nothing(output); \
	else                            \
		output_bool(output, export->field);
	EXPORT_FLAGS(X)
#undef X
	add_block_size(output, sizes->minimum);
	add_block_size(output, sizes->preferred);
	add_block_size(output, sizes->maximum);
	output_list(output, export->contexts, export->n_contexts);
	add_text(output, export->description);
	add_text(output, export->canonical_name);
	add_text(output, export->detail);
}

int
export_print_facts(const struct options *options,
		   const Nbdclientd__V1__Export *export,
		   const Nbdclientd__V1__ProtocolInfo *protocol)
{
	struct output *output = output_new(
		options, "export", OUTPUT_FACTS, export_columns,
		protocol ? N_EXPORT_COLUMNS
			 : N_EXPORT_COLUMNS - N_PROTOCOL_COLUMNS);

	output_text(output, export->name);
	add_properties(output, export);
	if (protocol) {
		add_text(output, protocol->handshake);
		output_bool(output, protocol->tls);
		output_bool(output, protocol->structured_replies);
		output_bool(output, protocol->extended_headers);
	}
	return output_finish(output);
}

/* People get what fits on a line; --columns and JSON have all of it. */
int
export_print_rows(const struct options *options,
		  Nbdclientd__V1__Export *const *exports, size_t n_exports,
		  bool with_details)
{
	static const struct output_column names[] = {
		{ "NAME", OUTPUT_TEXT },
		{ "DESCRIPTION", OUTPUT_TEXT },
	};
	struct output *output =
		with_details
			? output_new(options, "exports", OUTPUT_ROWS,
				     export_columns,
				     N_EXPORT_COLUMNS - N_PROTOCOL_COLUMNS)
			: output_new(options, "exports", OUTPUT_ROWS, names, 2);

	output_default_columns(
		output,
		with_details ? "NAME,SIZE,READ_ONLY,CONTEXTS,DESCRIPTION,DETAIL"
			     : NULL);
	for (size_t i = 0; i < n_exports; i++) {
		output_text(output, exports[i]->name);
		if (with_details)
			add_properties(output, exports[i]);
		else
			add_text(output, exports[i]->description);
	}
	return output_finish(output);
}

#define EXPORT_FEATURE(name, field)                           \
	{                                                     \
		name, offsetof(Nbdclientd__V1__Export, field) \
	}

static const struct {
	const char *name;
	size_t offset;
} export_features[] = {
	EXPORT_FEATURE("read-only", read_only),
	EXPORT_FEATURE("rotational", rotational),
	EXPORT_FEATURE("flush", can_flush),
	EXPORT_FEATURE("fua", can_fua),
	EXPORT_FEATURE("trim", can_trim),
	EXPORT_FEATURE("zero", can_zero),
	EXPORT_FEATURE("fast-zero", can_fast_zero),
	EXPORT_FEATURE("cache", can_cache),
	EXPORT_FEATURE("df", can_df),
	EXPORT_FEATURE("multi-conn", can_multi_conn),
};

static int
yes_or_no(bool value)
{
	return value ? EXIT_OK : EXIT_NO;
}

static int
unknown_feature(const char *feature)
{
	struct string_builder known = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;

	string_builder_append(&known, "use one of ");
	for (size_t i = 0;
	     i < sizeof(export_features) / sizeof(export_features[0]); i++)
		string_builder_printf(&known, "%s, ", export_features[i].name);
	string_builder_append(&known, "write, tls, structured-reply, "
				      "extended-headers, or the name of a "
				      "metadata context such as "
				      "base:allocation");
	text = string_builder_take(&known);
	return fail(EXIT_USAGE, EINVAL, text, "there is no feature \"%s\"",
		    feature);
}

int
export_has_feature(const Nbdclientd__V1__Export *export,
		   const Nbdclientd__V1__ProtocolInfo *protocol,
		   const char *feature)
{
	const char *base = (const char *)export;

	for (size_t i = 0;
	     i < sizeof(export_features) / sizeof(export_features[0]); i++)
		if (strcmp(export_features[i].name, feature) == 0)
			return yes_or_no(
				*(const protobuf_c_boolean
					  *)(const void *)(base +
							   export_features[i]
								   .offset));
	if (strcmp(feature, "write") == 0)
		return yes_or_no(!export->read_only);
	if (strcmp(feature, "tls") == 0)
		return yes_or_no(protocol && protocol->tls);
	if (strcmp(feature, "structured-reply") == 0)
		return yes_or_no(protocol && protocol->structured_replies);
	if (strcmp(feature, "extended-headers") == 0)
		return yes_or_no(protocol && protocol->extended_headers);
	if (!strchr(feature, ':'))
		return unknown_feature(feature);
	for (size_t i = 0; i < export->n_contexts; i++)
		if (strcmp(export->contexts[i], feature) == 0)
			return EXIT_OK;
	return EXIT_NO;
}
