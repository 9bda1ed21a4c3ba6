/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Extents on their way from the core to a message. */
#include "daemon/rpc/extents.h"

#include <stdlib.h>

#include "daemon/core/request.h"
#include "tests/support/unit.h"

static void
add(struct extents *extents, const char *context, uint64_t offset,
    uint64_t length, uint64_t flags)
{
	struct request_extent extent = { .length = length, .flags = flags };

	extents_add(extents, context, offset, &extent, 1);
}

static void
contexts_are_told_apart(void **state)
{
	Nbdclientd__V1__ContextExtents **messages;
	struct extents extents = { 0 };
	size_t n;

	(void)state;
	add(&extents, "base:allocation", 512, 512, 3);
	add(&extents, "qemu:dirty-bitmap:b", 512, 1024, 1);
	add(&extents, "base:allocation", 1024, 512, 0);
	assert_int_equal(extents_to_messages(&extents, &messages, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(messages[0]->context, "base:allocation");
	assert_int_equal(messages[0]->offset, 512);
	assert_int_equal(messages[0]->n_extents, 2);
	assert_int_equal(messages[0]->extents[0]->flags, 3);
	assert_int_equal(messages[0]->extents[1]->length, 512);
	assert_string_equal(messages[1]->context, "qemu:dirty-bitmap:b");
	assert_int_equal(messages[1]->n_extents, 1);
	extents_messages_free(messages, n);
	extents_done(&extents);
}

static void
what_all_contexts_tell_is_covered(void **state)
{
	struct extents extents = { 0 };

	(void)state;
	assert_int_equal(extents_covered(&extents), 0);
	add(&extents, "a", 0, 4096, 0);
	add(&extents, "b", 0, 1024, 0);
	assert_int_equal(extents_covered(&extents), 1024);
	extents_done(&extents);
}

static void
what_lies_behind_the_cut_is_left_out(void **state)
{
	struct extents extents = { 0 };

	(void)state;
	add(&extents, "a", 100, 100, 0);
	add(&extents, "a", 200, 100, 1);
	add(&extents, "a", 300, 100, 2);
	extents_cut(&extents, 250);
	assert_int_equal(extents.contexts[0].n, 2);
	assert_int_equal(extents.contexts[0].end, 250);
	assert_int_equal(extents.contexts[0].extents[1].length, 50);
	extents_cut(&extents, 200);
	assert_int_equal(extents.contexts[0].n, 1);
	extents_cut(&extents, 0);
	assert_int_equal(extents.contexts[0].n, 0);
	assert_int_equal(extents.contexts[0].end, 100);
	assert_int_equal(extents.n_extents, 0);
	extents_done(&extents);
}

static void
a_reply_holds_so_many_extents_that_join(void **state)
{
	struct extents extents = { 0 };
	uint64_t end;

	(void)state;
	for (uint64_t at = 0; at < 200000; at++)
		add(&extents, "a", at, 1, at & 1);
	end = extents_covered(&extents);
	assert_true(end > 1000 && end < 200000);
	assert_int_equal(extents.contexts[0].n, end);
	/* What comes behind a gap must not seem to join. */
	add(&extents, "a", 300000, 1, 0);
	assert_int_equal(extents_covered(&extents), end);
	extents_done(&extents);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(contexts_are_told_apart),
		cmocka_unit_test(what_all_contexts_tell_is_covered),
		cmocka_unit_test(what_lies_behind_the_cut_is_left_out),
		cmocka_unit_test(a_reply_holds_so_many_extents_that_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
