/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Cookie to command, and the memory of commands. Cookies count up, so the low
 * bits of a cookie are a perfect index as long as the table is as large as
 * the window of live cookies; stragglers share a slot. Commands come from
 * slabs and go back to a free list, so a running connection allocates nothing.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct command;
struct command_slab;

struct in_flight {
	struct command **slots;
	size_t n_slots; /* a power of two, or 0 */
	size_t n_commands;
	struct command *free;
	struct command_slab *slabs;
};

/* A command known under COOKIE, or NULL if out of memory. Its other members are
 * zero or what the last command left there. */
struct command *in_flight_add(struct in_flight *table, uint64_t cookie);

/* The command, or NULL. */
struct command *in_flight_find(const struct in_flight *table, uint64_t cookie);

/* Forgets COMMAND; its memory will serve again. */
void in_flight_remove(struct in_flight *table, struct command *command);

void in_flight_done(struct in_flight *table);
