/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The life of a handle, from its defaults to its last descriptor. */
#include "client-lib/engine/handle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "client-lib/base/error.h"
#include "client-lib/engine/command.h"

/* Handles are numbered in the order of their creation. */
static char *
next_name(void)
{
	static _Atomic unsigned counter = 0;
	char *name;

	if (asprintf(&name, "nbd%u", ++counter) == -1)
		return NULL;
	return name;
}

struct nbd_handle *
handle_new(void)
{
	struct nbd_handle *h = calloc(1, sizeof(*h));

	if (!h)
		return fail_null(ENOMEM, "allocating a handle");
	config_init(&h->config);
	connect_init(&h->connect);
	list_init(&h->pending);
	list_init(&h->complete);
	atomic_init(&h->patience.cancel_fd, -1);
	h->next_cookie = 1;
	h->state = STATE_START;
	h->debug.handle_name = next_name();
	if (!h->debug.handle_name) {
		handle_free(h);
		return fail_null(ENOMEM, "naming a handle");
	}
	return h;
}

void
handle_free(struct nbd_handle *h)
{
	if (!h)
		return;
	option_done(&h->option);
	command_complete_all(h);
	command_retire_all(h);
	in_flight_done(&h->commands);

	stream_close(h->stream);
	connect_done(&h->connect);
	transmit_done(&h->transmit);
	receive_done(&h->receive);
	export_info_done(&h->export);
	config_done(&h->config);
	free(h->cause_of_death);
	debug_done(&h->debug);
	/* Whoever still uses it shall be told; volatile, or the compiler
	 * leaves out a store to what is about to be freed. */
	*(volatile uint32_t *)&h->magic = 0;
	free(h);
}
