/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking URIs apart: what each part is, and what is no URI at all. */
#include "client-lib/api/uri_parse.h"

#include <errno.h>
#include <string.h>

#include "client-lib/base/error.h"
#include "tests/support/unit.h"

struct good {
	const char *text;
	const char *scheme;
	const char *user; /* NULL: none; so for the others */
	const char *host;
	int port;
	const char *export_name;
};

/* clang-format off */
static const struct good good[] = {
	{ "nbd://",                        "nbd",        NULL,  NULL,        0,     "" },
	{ "nbd://localhost",               "nbd",        NULL,  "localhost", 0,     "" },
	{ "nbd://localhost/",              "nbd",        NULL,  "localhost", 0,     "" },
	{ "nbd://localhost:0/x",           "nbd",        NULL,  "localhost", 0,     "x" },
	{ "NBD://localhost:1234/disk",     "nbd",        NULL,  "localhost", 1234,  "disk" },
	{ "nbds://u%40v@h/a/b",            "nbds",       "u@v", "h",         0,     "a/b" },
	{ "nbd://u:p@h",                   "nbd",        "u:p", "h",         0,     "" },
	{ "nbd://h//double",               "nbd",        NULL,  "h",         0,     "/double" },
	{ "nbd://h/a+b%20c%2Fd",           "nbd",        NULL,  "h",         0,     "a+b c/d" },
	{ "nbd://h/x#fragment",            "nbd",        NULL,  "h",         0,     "x" },
	{ "nbd://h:99999/",                "nbd",        NULL,  "h",         99999, "" },
	{ "nbd://[::1]:10/x",              "nbd",        NULL,  "::1",       10,    "x" },
	{ "nbd+unix:///x?socket=/s",       "nbd+unix",   NULL,  NULL,        0,     "x" },
	{ "nbd+unix://?socket=/s",         "nbd+unix",   NULL,  NULL,        0,     "" },
	{ "Nbds+Unix:///?socket=/s",       "nbds+unix",  NULL,  NULL,        0,     "" },
	{ "nbd+vsock://3:5/x",             "nbd+vsock",  NULL,  "3",         5,     "x" },
	{ "nbds+vsock:///x",               "nbds+vsock", NULL,  NULL,        0,     "x" },
	{ "nbd+ssh://u@h:22/x",            "nbd+ssh",    "u",   "h",         22,    "x" },
	{ "nbds+ssh://h",                  "nbds+ssh",   NULL,  "h",         0,     "" },
};

struct bad {
	const char *text;
	const char *part; /* of the error */
};

static const struct bad bad[] = {
	{ "",                      "no scheme" },
	{ "/tmp/socket",           "nbd+unix:///?socket=PATH" },
	{ "localhost",             "nbd://localhost:PORT" },
	{ "localhost:10809",       "unknown NBD URI scheme: localhost" },
	{ "http://localhost",      "unknown NBD URI scheme: http" },
	{ "nbd+udp://localhost",   "unknown NBD URI scheme" },
	{ "nbd:foo",               "URI must begin with 'nbd://'" },
	{ "nbd:/foo",              "URI must begin with 'nbd://'" },
	{ "nbd+unix:?socket=/s",   "URI must begin with 'nbd+unix://'" },
	{ "nbd://a b",             "unable to parse" },
	{ "nbd://h/a b",           "unable to parse" },
	{ "nbd://h/a|b",           "unable to parse" },
	{ "nbd://a@b@c",           "unable to parse" },
	{ "nbd://h:12x/",          "unable to parse" },
	{ "nbd://[::1",            "unable to parse" },
	{ "nbd://h/%",             "unable to parse" },
	{ "nbd://h/%zz",           "unable to parse" },
	{ "nbd://h/%00",           "unable to decode" },
	{ "nbd://h/a%00b",         "unable to decode" },
	{ "nbd://%00@h/",          "unable to decode" },
	{ "nbd://h/?a=%00",        "unable to decode" },
};
/* clang-format on */

static void
assert_same_text(const char *of, const char *seen, const char *expected)
{
	/* An empty part is as good as none. */
	if (!seen || !*seen)
		seen = NULL;
	if (!expected || !*expected)
		expected = NULL;
	if (!seen != !expected || (seen && strcmp(seen, expected) != 0))
		fail_msg("%s: saw '%s', expected '%s'", of,
			 seen ? seen : "(none)",
			 expected ? expected : "(none)");
}

static void
good_uris_come_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct good *row = &good[i];
		struct uri uri;

		if (uri_parse(&uri, row->text) != 0)
			fail_msg("%s: %s", row->text, error_last_text());
		assert_same_text(row->text, uri.scheme->name, row->scheme);
		assert_same_text(row->text, uri.user, row->user);
		assert_same_text(row->text, uri.host, row->host);
		assert_same_text(row->text, uri.export_name, row->export_name);
		assert_int_equal(uri.port, row->port);
		uri_done(&uri);
	}
}

static void
bad_uris_are_refused_and_explained(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct uri uri;

		if (uri_parse(&uri, bad[i].text) != -1)
			fail_msg("%s: accepted", bad[i].text);
		assert_int_equal(error_last_errno(), EINVAL);
		if (!strstr(error_last_text(), bad[i].part))
			fail_msg("%s: \"%s\" is not in \"%s\"", bad[i].text,
				 bad[i].part, error_last_text());
		uri_done(&uri);
	}
}

/* The value of KEY in URI_TEXT's query is EXPECTED (NULL: there is none). */
static void
check_parameter(const char *uri_text, const char *key, const char *expected)
{
	struct uri uri;
	const char *value;

	assert_int_equal(uri_parse(&uri, uri_text), 0);
	value = uri_parameter(&uri, key);
	if (!value != !expected || (value && strcmp(value, expected) != 0))
		fail_msg("%s: %s is '%s', expected '%s'", uri_text, key,
			 value ? value : "(none)",
			 expected ? expected : "(none)");
	uri_done(&uri);
}

static void
the_query_has_keys_and_values(void **state)
{
	(void)state;
	check_parameter("nbd://h/?a=1&b=2", "a", "1");
	check_parameter("nbd://h/?a=1&b=2", "B", "2");
	check_parameter("nbd://h/?a=1&A=2", "a", "2");
	check_parameter("nbd://h/?a", "a", "");
	check_parameter("nbd://h/?a=", "a", "");
	check_parameter("nbd://h/?=v&a=1", "a", "1");
	check_parameter("nbd://h/?a=%2Ftmp%2Fx%26y", "a", "/tmp/x&y");
	check_parameter("nbd://h/?a=b=c", "a", "b=c");
	check_parameter("nbd://h/?a=1&&b=2&", "b", "2");
	check_parameter("nbd://h/", "a", NULL);
	check_parameter("nbd://h/?", "a", NULL);
}

static void
a_semicolon_separates_unless_an_ampersand_follows(void **state)
{
	(void)state;
	check_parameter("nbd://h/?a=1;b=2", "b", "2");
	check_parameter("nbd://h/?a=1;b=2&c=3", "a", "1;b=2");
	check_parameter("nbd://h/?a=1;b=2&c=3", "b", NULL);
	check_parameter("nbd://h/?a=1&b=2;c=3", "c", "3");
}

static void
booleans_have_many_spellings(void **state)
{
	static const char *const trues[] = { "1",   "true", "T", "yes",
					     "YES", "y",    "on" };
	static const char *const falses[] = { "0",  "false", "F",  "no",
					      "No", "n",     "off" };
	bool value;

	(void)state;
	for (size_t i = 0; i < sizeof(trues) / sizeof(trues[0]); i++) {
		value = false;
		assert_int_equal(uri_parse_bool("k", trues[i], &value), 0);
		assert_true(value);
	}
	for (size_t i = 0; i < sizeof(falses) / sizeof(falses[0]); i++) {
		value = true;
		assert_int_equal(uri_parse_bool("k", falses[i], &value), 0);
		assert_false(value);
	}
	assert_int_equal(uri_parse_bool("k", "maybe", &value), -1);
	assert_int_equal(error_last_errno(), EINVAL);
	assert_non_null(strstr(error_last_text(), "expecting k=true|false"));
	assert_int_equal(uri_parse_bool("k", "", &value), -1);
}

static void
the_schemes_are_recognised_by_their_beginning(void **state)
{
	(void)state;
	assert_true(uri_has_scheme("nbd://"));
	assert_true(uri_has_scheme("NBDS+UNIX://anything at all"));
	assert_true(uri_has_scheme("nbds+ssh://h"));
	assert_false(uri_has_scheme(""));
	assert_false(uri_has_scheme("nbd"));
	assert_false(uri_has_scheme("nbd:/"));
	assert_false(uri_has_scheme(" nbd://"));
	assert_false(uri_has_scheme("nbdx://h"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_uris_come_apart),
		cmocka_unit_test(bad_uris_are_refused_and_explained),
		cmocka_unit_test(the_query_has_keys_and_values),
		cmocka_unit_test(
			a_semicolon_separates_unless_an_ampersand_follows),
		cmocka_unit_test(booleans_have_many_spellings),
		cmocka_unit_test(the_schemes_are_recognised_by_their_beginning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
