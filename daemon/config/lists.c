/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of configuration values that are lists: words, URIs, people. */
#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/cleanup.h"
#include "daemon/config/configuration.h"
#include "daemon/config/values.h"

/* One word of *TEXT with quotes and backslashes resolved, appended to WORD;
 * *TEXT is after it. False: a quote is not closed. */
static bool
scan_word(const char **text, struct string_builder *word)
{
	char quote = 0;
	const char *c;

	for (c = *text; *c && (quote || !isspace((unsigned char)*c)); c++) {
		if (*c == quote) {
			quote = 0;
		} else if (!quote && (*c == '"' || *c == '\'')) {
			quote = *c;
		} else {
			if (*c == '\\' && quote != '\'' && c[1])
				c++;
			string_builder_append_bytes(word, c, 1);
		}
	}
	*text = c;
	return quote == 0;
}

int
value_split(const char *text, struct string_list *words)
{
	for (;;) {
		struct string_builder word = STRING_BUILDER_INIT;
		CLEANUP_FREE char *item = NULL;
		bool is_closed;

		while (isspace((unsigned char)*text))
			text++;
		if (!*text)
			return 0;
		is_closed = scan_word(&text, &word);
		item = string_builder_take(&word);
		if (!item || string_list_append(words, item) < 0)
			return -ENOMEM;
		if (!is_closed)
			return -EINVAL;
	}
}

int
value_parse_command(const struct value *value, void *member)
{
	struct string_list *command = member;
	struct string_list words = { 0 };
	int r = value_split(value->text, &words);

	if (r < 0) {
		string_list_done(&words);
		if (r == -EINVAL)
			string_builder_append(value->complaint,
					      "a quote is not closed");
		return r;
	}
	string_list_done(command);
	*command = words;
	return 0;
}

static bool
is_nbd_uri(const char *text)
{
	static const char *const schemes[] = {
		"nbd://",       "nbds://",      "nbd+unix://",
		"nbds+unix://", "nbd+vsock://", "nbds+vsock://",
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(text, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

int
value_parse_uris(const struct value *value, void *member)
{
	struct string_list *uris = member;

	if (!*value->text) {
		string_list_done(uris);
		return 0;
	}
	if (!is_nbd_uri(value->text)) {
		string_builder_append(value->complaint,
				      "not an NBD URI: one begins with nbd://, "
				      "nbds://, nbd+unix://, nbds+unix://, "
				      "nbd+vsock:// or nbds+vsock://");
		return -EINVAL;
	}
	return string_list_append(uris, value->text) < 0 ? -ENOMEM : 0;
}

static int
id_list_add(struct id_list *list, uint32_t id)
{
	uint32_t *ids = reallocarray(list->ids, list->n_ids + 1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	list->ids = ids;
	list->ids[list->n_ids++] = id;
	return 0;
}

static bool
parse_id(const char *word, uint32_t *id)
{
	char *end;
	unsigned long long number;

	if (!isdigit((unsigned char)*word))
		return false;
	errno = 0;
	number = strtoull(word, &end, 10);
	/* All ones means "no id" to the kernel. */
	if (errno || *end || number >= UINT32_MAX)
		return false;
	*id = (uint32_t)number;
	return true;
}

static bool
find_user(const char *name, uint32_t *id)
{
	const struct passwd *entry = getpwnam(name);

	if (entry)
		*id = entry->pw_uid;
	return entry;
}

static bool
find_group(const char *name, uint32_t *id)
{
	const struct group *entry = getgrnam(name);

	if (entry)
		*id = entry->gr_gid;
	return entry;
}

static int
add_who(const struct value *value, struct id_list *list, const char *word,
	bool (*find)(const char *name, uint32_t *id), const char *what)
{
	uint32_t id;

	if (strcmp(word, "*") == 0) {
		list->is_everyone = true;
		return 0;
	}
	if (parse_id(word, &id) || find(word, &id))
		return id_list_add(list, id);
	string_builder_printf(value->complaint,
			      "there is no %s '%s'; names of %ss, their "
			      "numbers, and * for all are accepted",
			      what, word, what);
	return -EINVAL;
}

static int
parse_who(const struct value *value, struct id_list *list,
	  bool (*find)(const char *name, uint32_t *id), const char *what)
{
	struct string_list words = { 0 };
	int r;

	if (!*value->text) {
		free(list->ids);
		*list = (struct id_list){ 0 };
		return 0;
	}
	r = value_split(value->text, &words);
	if (r == -EINVAL)
		string_builder_append(value->complaint,
				      "a quote is not closed");
	for (size_t i = 0; r == 0 && i < words.n_items; i++)
		r = add_who(value, list, words.items[i], find, what);
	string_list_done(&words);
	list->is_set = true;
	return r;
}

int
value_parse_users(const struct value *value, void *member)
{
	return parse_who(value, member, find_user, "user");
}

int
value_parse_groups(const struct value *value, void *member)
{
	return parse_who(value, member, find_group, "group");
}
