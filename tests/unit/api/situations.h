/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Handles in each of the states that functions are permitted in. */
#pragma once

struct nbd_handle;

enum {
	N_SITUATIONS = 6,
};

struct situation {
	const char *name;  /* as in tests/abi/functions.tsv */
	const char *state; /* as the library calls it */
	const char *words; /* as in errors */
	struct nbd_handle *(*make)(void);
};

extern const struct situation situations[N_SITUATIONS];

/* The server behind them, an nbdkit with 1 MiB that can do everything. */
void situations_start(void);
void situations_stop(void);

struct nbd_handle *situation_created(void);
struct nbd_handle *situation_connecting(void);
struct nbd_handle *situation_negotiating(void);
struct nbd_handle *situation_connected(void); /* with base:allocation */
struct nbd_handle *situation_closed(void);
struct nbd_handle *situation_dead(void);

/* Closes the handle and whatever its situation needed. */
void situation_end(struct nbd_handle *h);
