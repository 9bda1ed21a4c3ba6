/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LIST: the exports of a server, one callback each. */
#include <errno.h>
#include <string.h>

#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/handshake.h"
#include "client-lib/wire/protocol.h"
#include "common/cleanup.h"

/* A name that no C string can carry cannot be asked for either. */
static bool
has_nul(const struct wire_string *string)
{
	return string->length > 0 &&
	       memchr(string->text, '\0', string->length) != NULL;
}

static enum option_outcome
on_item(struct nbd_handle *h, const struct option_answer *answer)
{
	CLEANUP_FREE char *name = NULL;
	CLEANUP_FREE char *description = NULL;
	struct server_item item;

	if (server_item_parse(answer->payload, answer->length, &item) !=
	    WIRE_OK) {
		fail(EPROTO, "option LIST: the server sent a malformed item");
		return OPTION_FATAL;
	}
	if (has_nul(&item.name)) {
		debug_log(&h->debug, "ignoring an export with NUL in its name");
		return OPTION_MORE;
	}
	name = strndup(item.name.text, item.name.length);
	description = strndup(item.description.text, item.description.length);
	if (!name || !description) {
		fail(ENOMEM, "option LIST: copying an item");
		return OPTION_FATAL;
	}
	h->option.result.count++;
	(void)CLOSURE_CALL(h->option.list, name, description);
	return OPTION_MORE;
}

static enum option_outcome
on_reply(struct nbd_handle *h, const struct option_answer *answer)
{
	if (answer->type == NBD_REP_SERVER)
		return on_item(h, answer);
	if (answer->type == NBD_REP_ACK)
		return OPTION_GO_ON;
	option_answer_error(h, &option_list, answer);
	return OPTION_REFUSED;
}

const struct option option_list = {
	.number = NBD_OPT_LIST,
	.name = "LIST",
	.goals = GOAL_BIT(GOAL_LIST),
	.item = NBD_REP_SERVER,
	.item_minimum = 4,
	.item_maximum = 4 + 2 * NBD_MAX_STRING,
	.skips_long_items = true,
	.max_items = 100000,
	.on_reply = on_reply,
};
