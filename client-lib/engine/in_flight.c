/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of commands by cookie: chains in slots chosen by the low bits. It
 * doubles when there are more commands than slots, and never shrinks.
 */
#include "client-lib/engine/in_flight.h"

#include <stdlib.h>

#include "client-lib/engine/command.h"
#include "common/hints.h"

enum {
	SLAB_COMMANDS = 64,
	FIRST_SLOTS = 64,
};

struct command_slab {
	struct command_slab *next;
	struct command commands[SLAB_COMMANDS];
};

static struct command **
slot_of(const struct in_flight *table, uint64_t cookie)
{
	return &table->slots[cookie & (table->n_slots - 1)];
}

static void
insert(struct in_flight *table, struct command *command)
{
	struct command **slot = slot_of(table, command->cookie);

	command->next_slot = *slot;
	*slot = command;
}

COLD static bool
grow(struct in_flight *table)
{
	struct in_flight grown = *table;

	grown.n_slots = table->n_slots ? table->n_slots * 2 : FIRST_SLOTS;
	grown.slots = calloc(grown.n_slots, sizeof(struct command *));
	if (!grown.slots)
		return false;
	for (size_t i = 0; i < table->n_slots; i++) {
		struct command *next;

		for (struct command *c = table->slots[i]; c; c = next) {
			next = c->next_slot;
			insert(&grown, c);
		}
	}
	free(table->slots);
	*table = grown;
	return true;
}

COLD static bool
add_slab(struct in_flight *table)
{
	struct command_slab *slab = calloc(1, sizeof(*slab));

	if (!slab)
		return false;
	slab->next = table->slabs;
	table->slabs = slab;
	for (size_t i = 0; i < SLAB_COMMANDS; i++) {
		slab->commands[i].next_slot = table->free;
		table->free = &slab->commands[i];
	}
	return true;
}

struct command *
in_flight_add(struct in_flight *table, uint64_t cookie)
{
	struct command *command;

	if (table->n_commands == table->n_slots && !grow(table))
		return NULL;
	if (!table->free && !add_slab(table))
		return NULL;
	command = table->free;
	table->free = command->next_slot;
	command->cookie = cookie;
	insert(table, command);
	table->n_commands++;
	return command;
}

struct command *
in_flight_find(const struct in_flight *table, uint64_t cookie)
{
	struct command *command;

	if (table->n_slots == 0)
		return NULL;
	for (command = *slot_of(table, cookie); command;
	     command = command->next_slot)
		if (command->cookie == cookie)
			return command;
	return NULL;
}

void
in_flight_remove(struct in_flight *table, struct command *command)
{
	struct command **at = slot_of(table, command->cookie);

	while (*at != command)
		at = &(*at)->next_slot;
	*at = command->next_slot;
	command->next_slot = table->free;
	table->free = command;
	table->n_commands--;
}

void
in_flight_done(struct in_flight *table)
{
	while (table->slabs) {
		struct command_slab *slab = table->slabs;

		table->slabs = slab->next;
		free(slab);
	}
	free(table->slots);
	*table = (struct in_flight){ 0 };
}
