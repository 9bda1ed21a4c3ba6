/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an error reply to an option means: an errno, a sentence, and whatever
 * the server had to say, which is not trusted to be printable.
 */
#include <errno.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/protocol.h"
#include "common/cleanup.h"
#include "common/strings.h"

/* clang-format off */
static const struct option_error {
	uint32_t type;
	int errnum;
	const char *sentence;
} errors[] = {
	{ NBD_REP_ERR_UNSUP,           ENOTSUP,   "the server does not support it" },
	{ NBD_REP_ERR_POLICY,          ENOTSUP,   "the server's policy forbids it" },
	{ NBD_REP_ERR_INVALID,         EINVAL,    "the server finds it invalid" },
	{ NBD_REP_ERR_PLATFORM,        ENOTSUP,   "the server's platform does not support it" },
	{ NBD_REP_ERR_TLS_REQD,        ENOTSUP,   "the server requires TLS encryption first" },
	{ NBD_REP_ERR_UNKNOWN,         ENOENT,    "the server has no such export" },
	{ NBD_REP_ERR_SHUTDOWN,        ESHUTDOWN, "the server is shutting down" },
	{ NBD_REP_ERR_BLOCK_SIZE_REQD, EINVAL,    "the server insists on negotiating block sizes" },
	{ NBD_REP_ERR_TOO_BIG,         EINVAL,    "the server finds it too big" },
	{ NBD_REP_ERR_EXT_HEADER_REQD, EINVAL,    "the server requires extended headers" },
};
/* clang-format on */

static const struct option_error *
find_error(uint32_t type)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].type == type)
			return &errors[i];
	return NULL;
}

int
option_answer_error(struct nbd_handle *h, const struct option *option,
		    const struct option_answer *answer)
{
	const struct option_error *error = find_error(answer->type);
	struct string_builder builder = STRING_BUILDER_INIT;
	CLEANUP_FREE char *text = NULL;
	int errnum = error ? error->errnum : ENOTSUP;

	string_builder_printf(&builder, "option %s", option->name);
	if (answer->type == NBD_REP_ERR_UNKNOWN) {
		string_builder_append(&builder,
				      ": the server has no export named '");
		string_builder_append(&builder,
				      config_string(h->config.export_name));
		string_builder_append(&builder, "'");
	} else if (error) {
		string_builder_printf(&builder, ": %s", error->sentence);
	} else {
		string_builder_printf(&builder,
				      ": the server refuses it with code 0x%x",
				      answer->type);
	}
	if (answer->length > 0) {
		string_builder_append(&builder, ": ");
		string_builder_append_escaped(&builder, answer->payload,
					      answer->length);
	}
	text = string_builder_take(&builder);
	fail(errnum, "%s", text ? text : option->name);
	return errnum;
}
