/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents of several contexts, cut to what all of them cover. */
#include "daemon/core/block_status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/strings.h"
#include "daemon/core/export.h"
#include "tests/support/unit.h"

/* What on_extents was told, as text. */
static struct string_builder told;

static void
tell(struct request *request, const char *context, uint64_t offset,
     const struct request_extent *extents, size_t n)
{
	(void)request;
	string_builder_printf(&told, "%s@%d", context, (int)offset);
	for (size_t i = 0; i < n; i++)
		string_builder_printf(&told, " %d:%d", (int)extents[i].length,
				      (int)extents[i].flags);
	string_builder_append(&told, "; ");
}

static void
assert_told(const char *expected)
{
	char *text = string_builder_take(&told);

	assert_string_equal(text, expected);
	free(text);
}

static void
begin(struct request *request, const char *const *selected)
{
	struct export_info export = { 0 };

	for (size_t i = 0; selected[i]; i++)
		string_list_append(&export.contexts, selected[i]);
	request->command = REQUEST_BLOCK_STATUS;
	request->on_extents = tell;
	request->next_offset = request->offset;
	assert_int_equal(block_status_start(request, &export), 0);
	export_info_done(&export);
}

static void
answer(struct request *request, const char *context, uint64_t offset, size_t n,
       const uint32_t *entries)
{
	assert_int_equal(
		block_status_collect(request, context, offset, entries, n), 0);
}

static const char *const one[] = { "base", NULL };
static const char *const two[] = { "base", "dirty", NULL };

static void
extents_come_as_they_are_when_they_fit(void **state)
{
	struct request request = { .offset = 0, .length = 100 };

	(void)state;
	begin(&request, one);
	answer(&request, "base", 0, 2, (uint32_t[]){ 60, 0, 40, 3 });
	assert_int_equal(block_status_deliver(&request), 100);
	assert_told("base@0 60:0 40:3; ");
	block_status_done(&request);
}

static void
what_lies_outside_of_the_request_is_cut_off(void **state)
{
	struct request request = { .offset = 10, .length = 50 };

	(void)state;
	begin(&request, one);
	/* Asked from block 0, and the server told more than it was asked. */
	answer(&request, "base", 0, 3, (uint32_t[]){ 5, 1, 30, 0, 1000, 3 });
	assert_int_equal(block_status_deliver(&request), 60);
	assert_told("base@10 25:0 25:3; ");
	block_status_done(&request);
}

static void
several_contexts_go_as_far_as_the_shortest(void **state)
{
	struct request request = { .offset = 0, .length = 100 };

	(void)state;
	begin(&request, two);
	answer(&request, "base", 0, 2, (uint32_t[]){ 60, 0, 40, 3 });
	answer(&request, "dirty", 0, 1, (uint32_t[]){ 70, 1 });
	assert_int_equal(block_status_deliver(&request), 70);
	assert_told("base@0 60:0 10:3; dirty@0 70:1; ");
	request.next_offset = 70;
	block_status_reset(&request);
	answer(&request, "base", 70, 1, (uint32_t[]){ 30, 3 });
	answer(&request, "dirty", 70, 1, (uint32_t[]){ 50, 0 });
	assert_int_equal(block_status_deliver(&request), 100);
	assert_told("base@70 30:3; dirty@70 30:0; ");
	block_status_done(&request);
}

static void
a_context_without_an_answer_stops_progress(void **state)
{
	struct request request = { .offset = 0, .length = 100 };

	(void)state;
	begin(&request, two);
	answer(&request, "base", 0, 1, (uint32_t[]){ 100, 0 });
	assert_int_equal(block_status_deliver(&request), 0);
	assert_told("");
	block_status_done(&request);
}

static void
only_the_contexts_that_are_wanted_are_told(void **state)
{
	struct request request = { .offset = 0, .length = 100 };

	(void)state;
	string_list_append(&request.contexts, "dirty");
	begin(&request, two);
	answer(&request, "base", 0, 1, (uint32_t[]){ 10, 0 });
	answer(&request, "dirty", 0, 1, (uint32_t[]){ 100, 1 });
	assert_int_equal(block_status_deliver(&request), 100);
	assert_told("dirty@0 100:1; ");
	block_status_done(&request);
	request_done(&request);
}

static void
a_context_that_is_not_selected_is_refused(void **state)
{
	struct request request = { .length = 100 };
	struct export_info export = { 0 };

	(void)state;
	assert_int_equal(block_status_start(&request, &export), -EOPNOTSUPP);
	assert_int_equal(request.failure.reason, FAILURE_NOT_SUPPORTED);
	string_list_append(&export.contexts, "base");
	string_list_append(&request.contexts, "dirty");
	assert_int_equal(block_status_start(&request, &export), -EINVAL);
	assert_int_equal(request.failure.reason, FAILURE_INVALID);
	export_info_done(&export);
	request_done(&request);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(extents_come_as_they_are_when_they_fit),
		cmocka_unit_test(what_lies_outside_of_the_request_is_cut_off),
		cmocka_unit_test(several_contexts_go_as_far_as_the_shortest),
		cmocka_unit_test(a_context_without_an_answer_stops_progress),
		cmocka_unit_test(only_the_contexts_that_are_wanted_are_told),
		cmocka_unit_test(a_context_that_is_not_selected_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
