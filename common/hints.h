/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the compiler cannot know about where programs spend their time. */
#pragma once

/* A function off the main path. It stays out of its callers, which are then
 * laid out straight and save fewer registers. */
#define COLD __attribute__((cold, noinline))
