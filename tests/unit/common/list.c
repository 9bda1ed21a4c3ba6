/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Embedded doubly linked lists. */
#include "common/list.h"

#include "tests/support/unit.h"

struct item {
	int number;
	struct list link;
};

static int
sum_in_order(struct list *head)
{
	int digits = 0;

	list_for_each(link, head)
		digits = digits * 10 +
			 container_of(link, struct item, link)->number;
	return digits;
}

static void
elements_keep_the_order_they_came_in(void **state)
{
	struct item one = { .number = 1 };
	struct item two = { .number = 2 };
	struct item three = { .number = 3 };
	struct list head;

	(void)state;
	list_init(&head);
	assert_true(list_is_empty(&head));
	list_append(&head, &two.link);
	list_append(&head, &three.link);
	list_prepend(&head, &one.link);
	assert_int_equal(sum_in_order(&head), 123);
}

static void
removing_twice_is_harmless(void **state)
{
	struct item one = { .number = 1 };
	struct item two = { .number = 2 };
	struct list head;

	(void)state;
	list_init(&head);
	list_append(&head, &one.link);
	list_append(&head, &two.link);
	list_remove(&one.link);
	list_remove(&one.link);
	assert_int_equal(sum_in_order(&head), 2);
}

static void
elements_may_be_removed_while_walking(void **state)
{
	struct item items[5];
	struct list head;

	(void)state;
	list_init(&head);
	for (int i = 0; i < 5; i++) {
		items[i].number = i + 1;
		list_append(&head, &items[i].link);
	}
	list_for_each_safe(link, &head)
		if (container_of(link, struct item, link)->number % 2 == 0)
			list_remove(link);
	assert_int_equal(sum_in_order(&head), 135);
}

static void
the_first_is_taken_until_none_is_left(void **state)
{
	struct item one = { .number = 1 };
	struct item two = { .number = 2 };
	struct list head;

	(void)state;
	list_init(&head);
	list_append(&head, &one.link);
	list_append(&head, &two.link);
	assert_ptr_equal(list_take_first(&head), &one.link);
	assert_ptr_equal(list_take_first(&head), &two.link);
	assert_null(list_take_first(&head));
	assert_true(list_is_empty(&head));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elements_keep_the_order_they_came_in),
		cmocka_unit_test(removing_twice_is_harmless),
		cmocka_unit_test(elements_may_be_removed_while_walking),
		cmocka_unit_test(the_first_is_taken_until_none_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
