/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LIST_META_CONTEXT and SET_META_CONTEXT: the same message, but the second
 * one replaces the selection of the connection, whatever its outcome. Of the
 * contexts a server claims to have selected we believe those we asked for.
 */
#include <errno.h>
#include <string.h>

#include "client-lib/base/closure.h"
#include "client-lib/base/error.h"
#include "client-lib/engine/handle.h"
#include "client-lib/engine/option_table.h"
#include "client-lib/wire/handshake.h"
#include "client-lib/wire/protocol.h"
#include "common/cleanup.h"

static const struct string_list *
queries_of(const struct nbd_handle *h)
{
	return h->option.has_queries ? &h->option.queries
				     : &h->config.meta_contexts;
}

static void
encode(struct nbd_handle *h)
{
	const struct string_list *queries = queries_of(h);

	option_put_string(&h->option, config_string(h->config.export_name));
	option_put_u32(&h->option, (uint32_t)queries->n_items);
	for (size_t i = 0; i < queries->n_items; i++)
		option_put_string(&h->option, queries->items[i]);
}

static void
encode_set(struct nbd_handle *h)
{
	h->option.contexts_were_asked = true;
	export_info_reset_contexts(&h->export);
	encode(h);
}

/* Asked for by name, or by a query for everything below a prefix. */
static bool
was_asked_for(const struct nbd_handle *h, const struct wire_string *name)
{
	const struct string_list *queries = queries_of(h);

	for (size_t i = 0; i < queries->n_items; i++) {
		const char *query = queries->items[i];
		size_t length = strlen(query);

		if (length > name->length ||
		    memcmp(query, name->text, length) != 0)
			continue;
		if (length == name->length ||
		    (length > 0 && query[length - 1] == ':'))
			return true;
	}
	return false;
}

/* A C string of the item's name; NULL if it has none (*OUTCOME says what to
 * do then). */
static char *
take_name(struct nbd_handle *h, const struct option_answer *answer,
	  struct context_item *item, enum option_outcome *outcome)
{
	char *name;

	*outcome = OPTION_FATAL;
	if (context_item_parse(answer->payload, answer->length, item) !=
	    WIRE_OK) {
		fail(EPROTO, "option %s: the server sent a malformed item",
		     h->option.current->name);
		return NULL;
	}
	if (memchr(item->name.text, '\0', item->name.length)) {
		debug_log(&h->debug, "ignoring a context with NUL in its name");
		*outcome = OPTION_MORE;
		return NULL;
	}
	name = strndup(item->name.text, item->name.length);
	if (!name)
		fail(ENOMEM, "option %s: copying an item",
		     h->option.current->name);
	return name;
}

static void
report(struct nbd_handle *h, const char *name)
{
	h->option.result.count++;
	(void)CLOSURE_CALL(h->option.context, name);
}

static enum option_outcome
list_on_reply(struct nbd_handle *h, const struct option_answer *answer)
{
	CLEANUP_FREE char *name = NULL;
	struct context_item item;
	enum option_outcome outcome;

	if (answer->type == NBD_REP_ACK)
		return OPTION_GO_ON;
	if (answer->type & NBD_REP_FLAG_ERROR) {
		option_answer_error(h, h->option.current, answer);
		return OPTION_REFUSED;
	}
	name = take_name(h, answer, &item, &outcome);
	if (!name)
		return outcome;
	report(h, name);
	return OPTION_MORE;
}

static enum option_outcome
set_on_item(struct nbd_handle *h, const struct option_answer *answer)
{
	CLEANUP_FREE char *name = NULL;
	struct context_item item;
	enum option_outcome outcome;

	name = take_name(h, answer, &item, &outcome);
	if (!name)
		return outcome;
	if (!was_asked_for(h, &item.name)) {
		debug_log(&h->debug, "ignoring a context nobody asked for");
		return OPTION_MORE;
	}
	switch (export_info_add_context(&h->export, item.id, name,
					item.name.length)) {
	case 0:
		debug_log(&h->debug, "negotiated %s with context ID %u", name,
			  item.id);
		report(h, name);
		return OPTION_MORE;
	case 1:
		return OPTION_MORE;
	default:
		return OPTION_FATAL;
	}
}

/* An automatic selection that fails leaves a connection without contexts,
 * which is not worth giving up the connection. */
static enum option_outcome
set_on_error(struct nbd_handle *h, const struct option_answer *answer)
{
	bool had_some = h->export.n_contexts > 0;

	export_info_reset_contexts(&h->export);
	option_answer_error(h, h->option.current, answer);
	if (h->option.goal == GOAL_SET_META_CONTEXT)
		return OPTION_REFUSED;
	h->export.contexts_valid = !had_some;
	return OPTION_GO_ON;
}

static enum option_outcome
set_on_reply(struct nbd_handle *h, const struct option_answer *answer)
{
	if (answer->type == NBD_REP_META_CONTEXT)
		return set_on_item(h, answer);
	if (answer->type & NBD_REP_FLAG_ERROR)
		return set_on_error(h, answer);
	h->export.contexts_valid = true;
	return OPTION_GO_ON;
}

/* On the way to an export, only if something is to be selected on it. */
static bool
set_applies(const struct nbd_handle *h)
{
	if (h->option.goal == GOAL_SET_META_CONTEXT)
		return true;
	return h->config.request_meta_context &&
	       h->negotiated.structured_replies &&
	       h->config.meta_contexts.n_items > 0;
}

const struct option option_list_meta_context = {
	.number = NBD_OPT_LIST_META_CONTEXT,
	.name = "LIST_META_CONTEXT",
	.goals = GOAL_BIT(GOAL_LIST_META_CONTEXT),
	.encode = encode,
	.item = NBD_REP_META_CONTEXT,
	.item_minimum = 5,
	.item_maximum = 4 + NBD_MAX_STRING,
	.max_items = 4096,
	.on_reply = list_on_reply,
};

const struct option option_set_meta_context = {
	.number = NBD_OPT_SET_META_CONTEXT,
	.name = "SET_META_CONTEXT",
	.goals = GOAL_BIT(GOAL_CONNECT) | GOAL_BIT(GOAL_GO) |
		 GOAL_BIT(GOAL_INFO) | GOAL_BIT(GOAL_SET_META_CONTEXT),
	.applies = set_applies,
	.encode = encode_set,
	.item = NBD_REP_META_CONTEXT,
	.item_minimum = 5,
	.item_maximum = 4 + NBD_MAX_STRING,
	.max_items = 4096,
	.on_reply = set_on_reply,
};
