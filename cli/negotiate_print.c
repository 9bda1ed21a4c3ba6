/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The answers of negotiate's steps. */
#include "cli/negotiate_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "cli/daemon.h"
#include "cli/errors.h"
#include "cli/export_facts.h"
#include "cli/hexdump.h"
#include "cli/options.h"
#include "cli/output.h"

static int
print_protocol(const struct options *options,
	       const Nbdclientd__V1__ProtocolInfo *protocol)
{
	static const struct output_column columns[] = {
		{ "HANDSHAKE", OUTPUT_TEXT },
		{ "TLS", OUTPUT_BOOL },
		{ "STRUCTURED_REPLIES", OUTPUT_BOOL },
		{ "EXTENDED_HEADERS", OUTPUT_BOOL },
	};
	struct output *output = output_new(options, "protocol", OUTPUT_FACTS,
					   columns, 4);

	output_text(output, protocol->handshake);
	output_bool(output, protocol->tls);
	output_bool(output, protocol->structured_replies);
	output_bool(output, protocol->extended_headers);
	return output_finish(output);
}

static int
print_contexts(const struct options *options,
	       const Nbdclientd__V1__NegotiateContexts *contexts)
{
	static const struct output_column columns[] = {
		{ "CONTEXT", OUTPUT_TEXT },
	};
	struct output *output = output_new(options, "contexts", OUTPUT_ROWS,
					   columns, 1);

	for (size_t i = 0; i < contexts->n_contexts; i++)
		output_text(output, contexts->contexts[i]);
	return output_finish(output);
}

static int
print_extents(const struct options *options, const Nbdclientd__V1__IoReply *io)
{
	static const struct output_column columns[] = {
		{ "OFFSET", OUTPUT_NUMBER },
		{ "LENGTH", OUTPUT_NUMBER },
		{ "FLAGS", OUTPUT_NUMBER },
		{ "CONTEXT", OUTPUT_TEXT },
	};
	struct output *output = output_new(options, "extents", OUTPUT_ROWS,
					   columns, 4);

	for (size_t i = 0; i < io->n_extents; i++) {
		const Nbdclientd__V1__ContextExtents *context = io->extents[i];
		uint64_t offset = context->offset;

		for (size_t j = 0; j < context->n_extents; j++) {
			output_number(output, offset);
			output_number(output, context->extents[j]->length);
			output_number(output, context->extents[j]->flags);
			output_text(output, context->context);
			offset += context->extents[j]->length;
		}
	}
	return output_finish(output);
}

static int
print_io(const struct options *options, const Nbdclientd__V1__IoRequest *asked,
	 const Nbdclientd__V1__IoReply *io)
{
	struct hexdump hexdump;

	if (io->error)
		return daemon_fail_io(io->error);
	if (io->n_extents > 0)
		return print_extents(options, io);
	if (io->data.len == 0)
		return EXIT_OK;
	hexdump_start(&hexdump, asked->offset);
	hexdump_add(&hexdump, io->data.data, io->data.len);
	hexdump_finish(&hexdump);
	return EXIT_OK;
}

int
negotiate_print(const struct options *options,
		const Nbdclientd__V1__NegotiateRequest *request,
		const Nbdclientd__V1__NegotiateResponse *response)
{
	switch (response->result_case) {
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ERROR:
		return daemon_fail_io(response->error);
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_CONNECTED:
		return print_protocol(options, response->connected);
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_LISTED:
		return export_print_rows(options, response->listed->exports,
					 response->listed->n_exports, false);
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_INFO:
		return export_print_facts(options, response->info, NULL);
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_CONTEXTS:
		return print_contexts(options, response->contexts);
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_GONE:
		return export_print_facts(options, response->gone, NULL);
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_ABORTED:
		return EXIT_OK;
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT_IO:
		return print_io(options, request->io, response->io);
	case NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT__NOT_SET:
	case _NBDCLIENTD__V1__NEGOTIATE_RESPONSE__RESULT__CASE_IS_INT_SIZE:
		break;
	}
	return fail(EXIT_GENERAL, EPROTO,
		    "nbdctl and daemon must be of one version",
		    "the daemon gave an answer that nbdctl does not know");
}
