/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver of the state machine and the two ways out of a connection. A
 * state's row says what it waits for and what to run; everything the public
 * API shows follows from the row, and, while commands are exchanged, from
 * what the transmitting half has to do.
 */
#include "client-lib/engine/states.h"

#include <errno.h>
#include <libnbd.h>
#include <string.h>

#include "client-lib/engine/command.h"
#include "client-lib/engine/handle.h"
#include "common/hints.h"

const struct state_row state_rows[] = {
#define STATE_ROW(state, public, wants, run, description) \
	{ #state, description, PUBLIC_##public, WANTS_##wants, run_##run },
	STATES(STATE_ROW)
#undef STATE_ROW
};

/* States in which only a call of the user can change something. */
enum step
run_wait_for_user(struct nbd_handle *h)
{
	(void)h;
	return STEP_BLOCKED;
}

/* Is a program about to hear of a completion, and may what is queued wait for
 * what it asks for next? Its next poll sends it in any case. */
static bool
may_wait_for_company(const struct nbd_handle *h)
{
	if (h->receive.is_interrupted)
		return true;
	return h->receive.has_stopped && !h->is_disconnecting &&
	       !transmit_is_sending(&h->transmit) && !h->transmit.is_blocked;
}

/* Receiving comes first: a server that does not read while it writes would
 * otherwise wait for us as we wait for it. */
enum step
run_transfer(struct nbd_handle *h)
{
	enum step step = receive_run(h);

	if (step == STEP_FAILED || h->state != STATE_TRANSFER)
		return step;
	if (may_wait_for_company(h))
		return STEP_BLOCKED;
	return transmit_run(h);
}

int
engine_run(struct nbd_handle *h)
{
	for (;;) {
		switch (state_rows[h->state].run(h)) {
		case STEP_AGAIN:
			break;
		case STEP_BLOCKED:
			return 0;
		case STEP_FAILED:
			return -1;
		}
	}
}

void
engine_set_state(struct nbd_handle *h, enum state state)
{
	if (h->state != state)
		debug_log(&h->debug, "state: %s -> %s",
			  state_rows[h->state].name, state_rows[state].name);
	h->state = state;
}

int
engine_refuse_event(const struct nbd_handle *h, enum event event)
{
	return fail(EINVAL, "external event %d is invalid in state %s", event,
		    engine_state_name(h));
}

/* A peer that hung up makes the descriptor readable, so this event is taken
 * also while waiting to write: the write will tell what happened. */
int
engine_notify_read(struct nbd_handle *h)
{
	if (state_rows[h->state].wants == WANTS_NOTHING)
		return engine_refuse_event(h, EVENT_READ);
	return engine_run(h);
}

int
engine_notify_read_one(struct nbd_handle *h)
{
	int result;

	h->receive.one_at_a_time = true;
	result = engine_notify_read(h);
	h->receive.one_at_a_time = false;
	return result;
}

int
engine_notify_write(struct nbd_handle *h)
{
	switch (state_rows[h->state].wants) {
	case WANTS_WRITE:
		return engine_run(h);
	case WANTS_TRANSFER:
		h->transmit.is_blocked = false;
		return engine_has_more(h) ? engine_run(h) : engine_flush(h);
	case WANTS_READ:
		if (stream_wants(h->stream) & STREAM_WANTS_WRITE)
			return engine_run(h);
		break;
	case WANTS_NOTHING:
		break;
	}
	return engine_refuse_event(h, EVENT_WRITE);
}

int
engine_flush(struct nbd_handle *h)
{
	if (h->state != STATE_TRANSFER || h->transmit.is_blocked)
		return 0;
	return transmit_run(h) == STEP_FAILED ? -1 : 0;
}

int
engine_fd(const struct nbd_handle *h)
{
	if (h->stream)
		return h->stream->fd;
	return h->connect.fd;
}

int
engine_disclose_fd(struct nbd_handle *h)
{
	if (h->stream)
		stream_disclose(h->stream);
	h->connect.is_disclosed = true;
	return engine_fd(h);
}

bool
engine_can_sleep(struct nbd_handle *h)
{
	return h->state == STATE_TRANSFER &&
	       engine_direction(h) == LIBNBD_AIO_DIRECTION_READ &&
	       stream_can_sleep(h->stream);
}

int
engine_sleep(struct nbd_handle *h)
{
	int result;

	h->receive.may_sleep = true;
	h->receive.one_at_a_time = true;
	result = engine_run(h);
	h->receive.one_at_a_time = false;
	h->receive.may_sleep = false;
	return result;
}

const char *
engine_state_name(const struct nbd_handle *h)
{
	switch (engine_public_state(h)) {
	case PUBLIC_READY:
		return "READY";
	case PUBLIC_PROCESSING:
		return "PROCESSING";
	default:
		return state_rows[h->state].name;
	}
}

const char *
engine_state_description(const struct nbd_handle *h)
{
	if (engine_public_state(h) == PUBLIC_PROCESSING)
		return "connection is sending commands";
	return state_rows[h->state].description;
}

/* The connection is gone; what still waits for it learns so. */
static void
leave(struct nbd_handle *h, enum state state, int option_errno)
{
	engine_set_state(h, state);
	stream_close(h->stream);
	h->stream = NULL;
	connect_forget_socket(&h->connect);
	option_fail_pending(h, option_errno);
	command_complete_all(h);
}

COLD enum step
dead_as_recorded(struct nbd_handle *h)
{
	int errnum = error_last_errno();

	debug_log(&h->debug, "handle dead: %s", error_last_text());
	if (!h->cause_of_death && error_last_text())
		h->cause_of_death = strdup(error_last_text());
	/* The command whose reply broke the protocol shares its error. */
	if (errnum == EPROTO && h->receive.command)
		command_fail(h->receive.command, EPROTO);
	leave(h, STATE_DEAD, errnum ? errnum : ENOTCONN);
	return STEP_FAILED;
}

COLD enum step
engine_close(struct nbd_handle *h)
{
	leave(h, STATE_CLOSED, ENOTCONN);
	return STEP_AGAIN;
}
