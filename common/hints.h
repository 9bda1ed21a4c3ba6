/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the compiler cannot know about where programs spend their time. */
#pragma once

/* A function off the main path. It stays out of its callers, which are then
 * laid out straight and save fewer registers. */
#define COLD __attribute__((cold, noinline))

/* A function that runs for each command: all that it calls becomes part of it,
 * whatever file it is in, but what is COLD or APART. So what is known at one
 * place is not looked at again at the next. */
#define HOT __attribute__((flatten))

/* Stays a function of its own in HOT ones: it serves many commands at once. */
#define APART __attribute__((noinline))
