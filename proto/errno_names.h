/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * errno by name. Between programs an errno travels as its Linux name and as
 * the number it has on x86-64, because numbers differ between architectures.
 */
#pragma once

/* "ENOSPC"; "" for 0 and for numbers without a name. */
const char *errno_name(int errnum);

/* This machine's number for "ENOSPC"; 0 if there is none of that name. */
int errno_from_name(const char *name);

/* The number on x86-64 of what is ERRNUM here; 0 if it has no name. */
unsigned errno_to_x86_64(int errnum);
