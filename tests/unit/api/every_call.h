/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A call of every public function that takes a handle, with arguments that
 * are valid unless the test wants one to be wrong.
 */
#pragma once

#include <libnbd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct input {
	unsigned null;     /* the argument to leave out, from 1; 0: none */
	bool no_closures;  /* callbacks are empty */
	uint32_t flags;    /* of those functions that take some */
	unsigned *n_freed; /* closures that were released, or NULL */
	uint8_t *buffer;   /* 512 bytes */
	char **argv;       /* a command */
	char **names;      /* of meta contexts */
	const struct sockaddr *address;
	socklen_t address_length;
};

struct every_call {
	const char *name; /* without "nbd_" */
	/* -1 for a failure, also where the function returns NULL. */
	int64_t (*call)(struct nbd_handle *h, const struct input *in);
};

extern const struct every_call every_call[];
extern const size_t n_every_call;
