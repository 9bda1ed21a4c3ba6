/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The parser of URIs. libxml2 knows the grammar of RFC 3986; it leaves the
 * parts as they were written, and they are decoded here, where a %00 is
 * refused instead of cutting a string short.
 */
#include "client-lib/api/uri_parse.h"

#include <errno.h>
#include <libxml/uri.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "client-lib/base/error.h"
#include "common/checked.h"
#include "common/cleanup.h"

static const struct uri_scheme schemes[] = {
#define URI_SCHEME(name, transport, is_tls) { name, URI_##transport, is_tls },
	URI_SCHEMES(URI_SCHEME)
#undef URI_SCHEME
};

enum {
	N_SCHEMES = sizeof(schemes) / sizeof(schemes[0]),
};

const struct uri_scheme *
uri_find_scheme(enum uri_transport transport, bool is_tls)
{
	for (size_t i = 0; i < N_SCHEMES; i++)
		if (schemes[i].transport == transport &&
		    schemes[i].is_tls == is_tls)
			return &schemes[i];
	return NULL;
}

bool
uri_has_scheme(const char *text)
{
	for (size_t i = 0; i < N_SCHEMES; i++) {
		size_t length = strlen(schemes[i].name);

		if (strncasecmp(text, schemes[i].name, length) == 0 &&
		    strncmp(text + length, "://", 3) == 0)
			return true;
	}
	return false;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte that "%XX" at TEXT means, or -1: not three good characters, or a
 * byte no string can hold. */
static int
decode_byte(const char *text, size_t length)
{
	int high, low;

	if (length < 3)
		return -1;
	high = hex_digit(text[1]);
	low = hex_digit(text[2]);
	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return -1;
	return high << 4 | low;
}

/* LENGTH bytes at TEXT with every %XX decoded; NULL with the error
 * recorded. */
static char *
decode(const char *text, size_t length)
{
	CLEANUP_FREE char *decoded = malloc(length + 1);
	size_t n = 0;

	if (!decoded)
		return fail_null(errno, "malloc");
	for (size_t i = 0; i < length; i++) {
		int byte = (unsigned char)text[i];

		if (text[i] == '%') {
			byte = decode_byte(text + i, length - i);
			if (byte < 0)
				return fail_null(EINVAL,
						 "unable to decode in URI: "
						 "%.*s",
						 (int)length, text);
			i += 2;
		}
		decoded[n++] = (char)byte;
	}
	decoded[n] = '\0';
	return TAKE_PTR(decoded);
}

/* Decodes TEXT, if there is any, to *RESULT. 0, or -1 with the error
 * recorded. */
static int
decode_to(char **result, const char *text)
{
	if (!text)
		return 0;
	*result = decode(text, strlen(text));
	return *result ? 0 : -1;
}

static int
find_scheme(struct uri *uri, const char *name, const char *text)
{
	const char *hint = "";

	if (!name) {
		if (text[0] == '/')
			hint = "; for a local socket say "
			       "nbd+unix:///?socket=PATH";
		else if (strncasecmp(text, "localhost", 9) == 0)
			hint = "; for a local port say nbd://localhost:PORT";
		return fail(EINVAL,
			    "NBD URI has no scheme such as nbd:// or "
			    "nbd+unix://%s: '%s'",
			    hint, text);
	}
	for (size_t i = 0; i < N_SCHEMES; i++)
		if (strcasecmp(name, schemes[i].name) == 0)
			uri->scheme = &schemes[i];
	if (!uri->scheme)
		return fail(EINVAL, "unknown NBD URI scheme: %s", name);
	/* libxml2 does not tell "nbd:/x" from "nbd:///x". */
	if (strncmp(text + strlen(name), "://", 3) != 0)
		return fail(EINVAL, "URI must begin with '%s://'",
			    uri->scheme->name);
	return 0;
}

/* Adds the parameter in LENGTH bytes at TEXT. 0, or -1 with the error
 * recorded. */
static int
add_parameter(struct uri *uri, const char *text, size_t length)
{
	const char *equals = memchr(text, '=', length);
	size_t key_length = equals ? (size_t)(equals - text) : length;
	const char *value = equals ? equals + 1 : text + length;
	struct uri_parameter *parameters;
	struct uri_parameter *added;
	size_t size;

	if (!key_length)
		return 0;
	if (!checked_mul_size(uri->n_parameters + 1, sizeof(*added), &size))
		return fail(ENOMEM, "too many parameters in URI");
	parameters = realloc(uri->parameters, size);
	if (!parameters)
		return fail(errno, "realloc");
	uri->parameters = parameters;
	added = &parameters[uri->n_parameters];
	*added = (struct uri_parameter){ 0 };
	uri->n_parameters++;

	added->key = decode(text, key_length);
	added->value = decode(value, (size_t)(text + length - value));
	return added->key && added->value ? 0 : -1;
}

/* '&' separates; a ';' only when no '&' follows, so that a ';' may stand in
 * a value before one. */
static int
parse_query(struct uri *uri, const char *query)
{
	while (query && *query) {
		const char *end = strchr(query, '&');

		if (!end)
			end = strchr(query, ';');
		if (!end)
			end = query + strlen(query);
		if (add_parameter(uri, query, (size_t)(end - query)) < 0)
			return -1;
		query = *end ? end + 1 : end;
	}
	return 0;
}

static int
parse_host(struct uri *uri, const char *server)
{
	size_t length;

	if (decode_to(&uri->host, server) < 0)
		return -1;
	if (!uri->host || uri->host[0] != '[')
		return 0;
	length = strlen(uri->host);
	if (length >= 2 && uri->host[length - 1] == ']') {
		memmove(uri->host, uri->host + 1, length - 2);
		uri->host[length - 2] = '\0';
		uri->has_brackets = true;
	}
	return 0;
}

static void
cleanup_xml_uri(xmlURIPtr *xml)
{
	if (*xml)
		xmlFreeURI(*xml);
}

int
uri_parse(struct uri *uri, const char *text)
{
	CLEANUP(cleanup_xml_uri) xmlURIPtr xml = NULL;
	const char *path;

	*uri = (struct uri){ 0 };
	xml = xmlParseURIRaw(text, 1);
	if (!xml)
		return fail(EINVAL, "unable to parse URI: %s", text);
	if (find_scheme(uri, xml->scheme, text) < 0)
		return -1;

	/* There are several ways to say "none". */
	uri->port = xml->port > 0 ? xml->port : 0;
	path = xml->path ? xml->path : "";
	if (path[0] == '/')
		path++;
	if (decode_to(&uri->user, xml->user) < 0 ||
	    parse_host(uri, xml->server) < 0 ||
	    decode_to(&uri->export_name, path) < 0)
		return -1;
	return parse_query(uri, xml->query_raw);
}

void
uri_done(struct uri *uri)
{
	free(uri->user);
	free(uri->host);
	free(uri->export_name);
	for (size_t i = 0; i < uri->n_parameters; i++) {
		free(uri->parameters[i].key);
		free(uri->parameters[i].value);
	}
	free(uri->parameters);
	*uri = (struct uri){ 0 };
}

const char *
uri_parameter(const struct uri *uri, const char *key)
{
	for (size_t i = uri->n_parameters; i > 0; i--)
		if (strcasecmp(uri->parameters[i - 1].key, key) == 0)
			return uri->parameters[i - 1].value;
	return NULL;
}

int
uri_parse_bool(const char *key, const char *value, bool *result)
{
	static const char *const words[][2] = {
		{ "0", "1" },    { "false", "true" }, { "f", "t" },
		{ "no", "yes" }, { "n", "y" },        { "off", "on" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (int is_true = 0; is_true <= 1; is_true++)
			if (strcasecmp(value, words[i][is_true]) == 0) {
				*result = is_true;
				return 0;
			}
	return fail(EINVAL,
		    "could not parse %s parameter, expecting %s=true|false",
		    key, key);
}
