/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Doubly linked lists whose links are embedded in the elements. A list head
 * is a link that points at itself while the list is empty; so is an element
 * that is in no list.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define container_of(pointer, type, member) \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline void
list_init(struct list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool
list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void
list_append(struct list *head, struct list *element)
{
	element->prev = head->prev;
	element->next = head;
	head->prev->next = element;
	head->prev = element;
}

static inline void
list_prepend(struct list *head, struct list *element)
{
	list_append(head->next, element);
}

/* Takes ELEMENT out of the list it is in; harmless if it is in none. */
static inline void
list_remove(struct list *element)
{
	element->prev->next = element->next;
	element->next->prev = element->prev;
	list_init(element);
}

/* The first element, taken out of the list, or NULL. */
static inline struct list *
list_take_first(struct list *head)
{
	struct list *first = head->next;

	if (first == head)
		return NULL;
	list_remove(first);
	return first;
}

#define list_for_each(link, head)                              \
	for (struct list *link = (head)->next; link != (head); \
	     link = link->next)

/* LINK may be removed inside the loop. */
#define list_for_each_safe(link, head)                                    \
	for (struct list *link = (head)->next, *link##_next = link->next; \
	     link != (head); link = link##_next, link##_next = link->next)
