/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Option mode on every server: look around, then choose or leave. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/strings.h"
#include "tests/interop/fixture.h"

struct names {
	struct string_list list;
	unsigned n_frees;
};

static int
on_export(void *user_data, const char *name, const char *description)
{
	struct names *names = user_data;

	assert_non_null(description);
	assert_int_equal(string_list_append(&names->list, name), 0);
	return 0;
}

static int
on_context(void *user_data, const char *name)
{
	struct names *names = user_data;

	assert_int_equal(string_list_append(&names->list, name), 0);
	return 0;
}

static void
on_free(void *user_data)
{
	struct names *names = user_data;

	names->n_frees++;
}

static bool
contains(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->list.n_items; i++)
		if (!strcmp(names->list.items[i], name))
			return true;
	return false;
}

/* A handle in option mode. */
static struct nbd_handle *
open_negotiating(const struct fixture *fixture)
{
	struct nbd_handle *h = fixture_new_handle(fixture);

	assert_nbd_ok(nbd_set_opt_mode(h, true));
	fixture_connect(fixture, h);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	assert_string_equal(nbd_get_protocol(h), "newstyle-fixed");
	return h;
}

static void
the_exports_are_listed(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = open_negotiating(fixture);
	struct names names = { 0 };
	nbd_list_callback list = { .callback = on_export,
				   .free = on_free,
				   .user_data = &names };

	assert_int_equal(nbd_opt_list(h, list), 1);
	assert_int_equal(names.list.n_items, 1);
	assert_true(contains(&names, fixture->target->export));
	assert_int_equal(names.n_frees, 1);
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	assert_nbd_ok(nbd_opt_abort(h));
	assert_int_equal(nbd_aio_is_closed(h), 1);
	string_list_done(&names.list);
	nbd_close(h);
}

static void
info_tells_and_go_enters(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = open_negotiating(fixture);
	uint8_t block[512];

	assert_nbd_errno(nbd_get_size(h), EINVAL);
	assert_nbd_ok(nbd_opt_info(h));
	assert_int_equal(nbd_is_read_only(h), 0);
	assert_nbd_errno(nbd_pread(h, block, 512, 0, 0), EINVAL);
	assert_nbd_ok(nbd_opt_go(h));
	assert_int_equal(nbd_get_size(h), DISK_SIZE);
	assert_nbd_ok(nbd_pread(h, block, 512, 0, 0));
	assert_nbd_ok(nbd_shutdown(h, 0));
	nbd_close(h);
}

static void
an_unknown_export_leaves_the_choice(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = open_negotiating(fixture);

	/* nbdkit's plugins serve any name. */
	if (strcmp(fixture->target->program, "nbdkit") != 0) {
		assert_nbd_ok(nbd_set_export_name(h, "no such export"));
		assert_int_equal(nbd_opt_info(h), -1);
		assert_int_equal(nbd_opt_go(h), -1);
		assert_int_equal(nbd_get_errno(), ENOENT);
		assert_int_equal(nbd_aio_is_negotiating(h), 1);
		assert_nbd_ok(nbd_set_export_name(h, fixture->target->export));
	}
	assert_nbd_ok(nbd_opt_go(h));
	assert_int_equal(nbd_get_size(h), DISK_SIZE);
	nbd_close(h);
}

static void
an_unknown_export_is_refused(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = fixture_new_handle(fixture);

	if (strcmp(fixture->target->program, "nbdkit") == 0) {
		nbd_close(h);
		return;
	}
	assert_nbd_ok(nbd_set_export_name(h, "no such export"));
	assert_int_equal(nbd_connect_unix(h, fixture->server.socket
						     ? fixture->server.socket
						     : "/nowhere"),
			 -1);
	if (fixture->server.socket)
		assert_int_equal(nbd_get_errno(), ENOENT);
	assert_int_equal(nbd_aio_is_dead(h), 1);
	nbd_close(h);
}

static void
contexts_are_listed(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = open_negotiating(fixture);
	struct names names = { 0 };
	nbd_context_callback context = { .callback = on_context,
					 .free = on_free,
					 .user_data = &names };
	int n;

	assert_nbd_ok(nbd_clear_meta_contexts(h));
	n = nbd_opt_list_meta_context(h, context);
	assert_int_equal(names.n_frees, 1);
	if (fixture->target->can & CAN_MAP) {
		assert_nbd_ok(n);
		assert_int_equal(n, names.list.n_items);
		assert_true(contains(&names, LIBNBD_CONTEXT_BASE_ALLOCATION));
	}
	assert_int_equal(nbd_aio_is_negotiating(h), 1);
	assert_nbd_ok(nbd_opt_abort(h));
	string_list_done(&names.list);
	nbd_close(h);
}

struct answer {
	unsigned n_calls;
	unsigned n_frees;
	int error;
};

static int
on_answer(void *user_data, int *error)
{
	struct answer *answer = user_data;

	answer->n_calls++;
	answer->error = *error;
	return 0;
}

static void
on_answer_free(void *user_data)
{
	struct answer *answer = user_data;

	answer->n_frees++;
}

static void
options_work_asynchronously(void **state)
{
	const struct fixture *fixture = *state;
	struct nbd_handle *h = open_negotiating(fixture);
	struct answer answer = { .error = -1 };
	nbd_completion_callback completion = { .callback = on_answer,
					       .free = on_answer_free,
					       .user_data = &answer };

	assert_nbd_ok(nbd_aio_opt_go(h, completion));
	while (nbd_aio_is_connecting(h))
		assert_int_equal(nbd_poll(h, 30000), 1);
	assert_int_equal(answer.n_calls, 1);
	assert_int_equal(answer.n_frees, 1);
	assert_int_equal(answer.error, 0);
	assert_int_equal(nbd_aio_is_ready(h), 1);
	assert_int_equal(nbd_get_size(h), DISK_SIZE);
	nbd_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_exports_are_listed),
		cmocka_unit_test(info_tells_and_go_enters),
		cmocka_unit_test(an_unknown_export_leaves_the_choice),
		cmocka_unit_test(an_unknown_export_is_refused),
		cmocka_unit_test(contexts_are_listed),
		cmocka_unit_test(options_work_asynchronously),
	};

	fixture_check_library();
	return fixture_run_everywhere(tests, sizeof(tests) / sizeof(tests[0]),
				      CAN_LIST);
}
